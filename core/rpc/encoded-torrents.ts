import { toBinary } from "@bufbuild/protobuf";
import { TorrentSchema } from "../../gen/pieza/v1/torrent_pb.ts";
import type { Torrent } from "../torrent/torrent.ts";
import { torrentToMessage } from "./torrent.ts";

/** A few of the largest torrents, of 9 MB each, or thousands of small ones. */
const MAX_BYTES = 32 << 20;
/** What a torrent that is kept costs besides its bytes, so that the tiny ones have a bound too. */
const OVERHEAD_BYTES = 4 << 10;

/**
 * Torrents as the wire has them: encoding the largest takes a tenth of a second, in which nobody else is served. Keeps
 * those that were asked for last, up to a bound.
 */
export class EncodedTorrents {
  readonly #maxBytes: number;
  /** The one that was asked for longest ago is the first. */
  readonly #kept = new Map<Torrent, Uint8Array>();
  #keptBytes = 0;

  constructor(maxBytes = MAX_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** The binary Torrent message. Not to be changed: others get the same bytes. */
  bytesOf(torrent: Torrent): Uint8Array {
    const bytes = this.#kept.get(torrent) ?? toBinary(TorrentSchema, torrentToMessage(torrent));
    this.#forget(torrent);
    this.#kept.set(torrent, bytes);
    this.#keptBytes += bytes.length + OVERHEAD_BYTES;
    for (const [oldest] of this.#kept) {
      if (this.#keptBytes <= this.#maxBytes) break;
      this.#forget(oldest);
    }
    return bytes;
  }

  #forget(torrent: Torrent): void {
    const bytes = this.#kept.get(torrent);
    if (!bytes) return;
    this.#kept.delete(torrent);
    this.#keptBytes -= bytes.length + OVERHEAD_BYTES;
  }
}

import { toBinary } from "@bufbuild/protobuf";
import { TorrentSchema } from "../../gen/pieza/v1/torrent_pb.ts";
import type { Torrent } from "../torrent/torrent.ts";
import { torrentToMessage } from "./torrent.ts";

/** Room for a few of the largest torrents, of 9 MB each, or for thousands of small ones. */
const MAX_BYTES = 32 << 20;
/** Added to each torrent's bytes, so that the number of tiny torrents has a bound too. */
const OVERHEAD_BYTES = 4 << 10;

/** Torrents in wire form, least recently used out first: encoding the largest takes a tenth of a second. */
export class EncodedTorrents {
  readonly #maxBytes: number;
  /** In order of use: the least recently used torrent is the first. */
  readonly #kept = new Map<Torrent, Uint8Array>();
  #keptBytes = 0;

  constructor(maxBytes = MAX_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** The binary Torrent message. Shared by callers, which must not change it. */
  bytesOf(torrent: Torrent): Uint8Array {
    const known = this.#kept.get(torrent);
    const bytes = known ?? toBinary(TorrentSchema, torrentToMessage(torrent));
    if (known) this.#kept.delete(torrent);
    else this.#keptBytes += bytes.length + OVERHEAD_BYTES;
    this.#kept.set(torrent, bytes);
    for (const [oldest, { length }] of this.#kept) {
      if (this.#keptBytes <= this.#maxBytes) break;
      this.#kept.delete(oldest);
      this.#keptBytes -= length + OVERHEAD_BYTES;
    }
    return bytes;
  }
}

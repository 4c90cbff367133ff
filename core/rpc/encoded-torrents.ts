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
  readonly #encode: (torrent: Torrent) => Uint8Array;
  readonly #maxBytes: number;
  /** In order of use: the least recently used torrent is the first. */
  readonly #kept = new Map<Torrent, Uint8Array>();
  #keptBytes = 0;

  /** `encode`: default the binary Torrent message. */
  constructor(maxBytes = MAX_BYTES, encode: (torrent: Torrent) => Uint8Array = toMessage) {
    this.#encode = encode;
    this.#maxBytes = maxBytes;
  }

  /** The torrent's bytes. Shared by callers, which must not change them. */
  bytesOf(torrent: Torrent): Uint8Array {
    const known = this.#kept.get(torrent);
    const bytes = known ?? this.#encode(torrent);
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

function toMessage(torrent: Torrent): Uint8Array {
  return toBinary(TorrentSchema, torrentToMessage(torrent));
}

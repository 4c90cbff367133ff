import type { Torrent } from "../torrent/torrent.ts";

/** Room for a few of the largest torrents, of 9 MB each, or for thousands of small ones. */
const MAX_BYTES = 32 << 20;
/** Added to each torrent's bytes, so that the number of tiny torrents has a bound too. */
const OVERHEAD_BYTES = 4 << 10;

/** Torrents in wire form, least recently used out first: encoding the largest takes a quarter of a second. */
export class EncodedTorrents {
  readonly #encode: (torrent: Torrent) => Promise<Uint8Array>;
  readonly #maxBytes: number;
  /** In order of use: the least recently used torrent is the first. */
  readonly #kept = new Map<Torrent, Uint8Array>();
  readonly #underWay = new Map<Torrent, Promise<Uint8Array>>();
  #keptBytes = 0;

  constructor(encode: (torrent: Torrent) => Promise<Uint8Array>, maxBytes = MAX_BYTES) {
    this.#encode = encode;
    this.#maxBytes = maxBytes;
  }

  /** The torrent's bytes. Shared by callers, which must not change them. Fails as the encoder does. */
  bytesOf(torrent: Torrent): Uint8Array | Promise<Uint8Array> {
    const known = this.#kept.get(torrent);
    if (!known) return this.#underWay.get(torrent) ?? this.#make(torrent);
    this.#kept.delete(torrent);
    this.#kept.set(torrent, known);
    return known;
  }

  #make(torrent: Torrent): Promise<Uint8Array> {
    const made = this.#encode(torrent)
      .then((bytes) => this.#keep(torrent, bytes))
      .finally(() => this.#underWay.delete(torrent));
    this.#underWay.set(torrent, made);
    return made;
  }

  #keep(torrent: Torrent, bytes: Uint8Array): Uint8Array {
    this.#keptBytes += bytes.length + OVERHEAD_BYTES;
    this.#kept.set(torrent, bytes);
    for (const [oldest, { length }] of this.#kept) {
      if (this.#keptBytes <= this.#maxBytes) break;
      this.#kept.delete(oldest);
      this.#keptBytes -= length + OVERHEAD_BYTES;
    }
    return bytes;
  }
}

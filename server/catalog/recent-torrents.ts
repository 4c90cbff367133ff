import type { StoredTorrent } from "./torrent-file.ts";

/** Pieces, of all torrents together: some 30 MB of hashes. */
const MAX_PIECES_KEPT = 262_144;

/** The torrents that were asked for last, so that a crowd at one torrent does not read and hash its file each time. */
export class RecentTorrents {
  /** By file; the order is that of the last use. */
  readonly #kept = new Map<string, StoredTorrent>();
  #pieces = 0;

  /** The file's torrent, unless the file has another stamp by now. */
  get(file: string, stamp: string): StoredTorrent | undefined {
    const stored = this.#kept.get(file);
    if (stored?.stamp !== stamp) return undefined;
    this.#kept.delete(file);
    this.#kept.set(file, stored);
    return stored;
  }

  add(file: string, stored: StoredTorrent): void {
    this.delete(file);
    this.#kept.set(file, stored);
    this.#pieces += stored.torrent.pieces.length;
    for (const oldest of this.#kept.keys()) {
      if (this.#pieces <= MAX_PIECES_KEPT) return;
      this.delete(oldest);
    }
  }

  delete(file: string): void {
    this.#pieces -= this.#kept.get(file)?.torrent.pieces.length ?? 0;
    this.#kept.delete(file);
  }
}

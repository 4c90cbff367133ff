import { Bitfield } from "../base/bitfield.ts";
import type { AnnouncedTorrent } from "../ports/tracker.ts";

/** Bounds on one announce, below those of a tracker: 1,024 torrents and 4 MiB. */
const MAX_TORRENTS = 1_024;
const MAX_BYTES = 3 << 20;
/** The most bytes of a torrent beside its bitfield: hash, name and numbers. */
const TORRENT_BYTES = 512;

/** News that fits into one announce. */
export interface NewsBatch {
  readonly torrents: readonly AnnouncedTorrent[];
  readonly left: readonly string[];
  /** At least one of `torrents` has just been completed. */
  readonly completed: boolean;
  /** Some news did not fit. */
  readonly more: boolean;
}

/** A peer's news for one tracker. A change stays news until the tracker has answered to exactly that change. */
export class AnnounceNews {
  readonly #torrents = new Map<string, AnnouncedTorrent & { readonly bitfield: Bitfield }>();
  readonly #changed = new Set<string>();
  readonly #completed = new Set<string>();
  readonly #left = new Set<string>();

  /** Whether there is any news. */
  get waiting(): boolean {
    return this.#changed.size > 0 || this.#left.size > 0;
  }

  /** The peer joins a torrent, or has other pieces of it. Copies the bitfield; if left out, it is unchanged. */
  update(torrent: AnnouncedTorrent): void {
    const { infoHash, totalPieces } = torrent;
    const bitfield = torrent.bitfield?.clone() ?? this.#torrents.get(infoHash)?.bitfield;
    this.#torrents.set(infoHash, { ...torrent, bitfield: bitfield ?? new Bitfield(totalPieces) });
    this.#changed.add(infoHash);
    this.#left.delete(infoHash);
  }

  /** Ignored for a torrent that the peer is not in. */
  complete(infoHash: string): void {
    if (!this.#torrents.has(infoHash)) return;
    this.#changed.add(infoHash);
    this.#completed.add(infoHash);
  }

  leave(infoHash: string): void {
    if (!this.#torrents.delete(infoHash)) return;
    this.#changed.delete(infoHash);
    this.#completed.delete(infoHash);
    this.#left.add(infoHash);
  }

  /** The tracker lacks these torrents (default: all), so they are news again. */
  again(infoHashes: Iterable<string> = this.#torrents.keys()): void {
    for (const infoHash of infoHashes) if (this.#torrents.has(infoHash)) this.#changed.add(infoHash);
  }

  /** The news for the next announce. It stays until `told`. */
  next(): NewsBatch {
    const torrents: AnnouncedTorrent[] = [];
    let bytes = 0;
    for (const infoHash of this.#changed) {
      const torrent = this.#torrents.get(infoHash)!;
      bytes += TORRENT_BYTES + Math.ceil(torrent.totalPieces / 8);
      if (torrents.length === MAX_TORRENTS || bytes > MAX_BYTES) break;
      torrents.push(torrent);
    }
    const left = [...this.#left].slice(0, MAX_TORRENTS);
    const more = torrents.length < this.#changed.size || left.length < this.#left.size;
    return {
      torrents,
      left,
      more,
      completed: torrents.some(({ infoHash }) => this.#completed.has(infoHash)),
    };
  }

  /** The tracker has answered to this batch. */
  told({ torrents, left }: NewsBatch): void {
    for (const torrent of torrents) {
      if (this.#torrents.get(torrent.infoHash) !== torrent) continue;
      this.#changed.delete(torrent.infoHash);
      this.#completed.delete(torrent.infoHash);
    }
    for (const infoHash of left) this.#left.delete(infoHash);
  }

  /** A batch without news: revisions without bitfields, from which the tracker sees what it lacks. */
  reminder(): NewsBatch {
    const torrents = [...this.#torrents.values()]
      .slice(0, MAX_TORRENTS)
      .map(({ bitfield: _, ...torrent }) => torrent);
    return { torrents, left: [], completed: false, more: false };
  }
}

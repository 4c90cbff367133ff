import { Bitfield } from "../base/bitfield.ts";
import type { AnnouncedTorrent } from "../ports/tracker.ts";

/** Bounds on one announce: a tracker takes 1,024 torrents and 4 MiB. */
const MAX_TORRENTS = 1_024;
const MAX_BYTES = 3 << 20;
/** What a torrent takes beside its bitfield, at most: hash, name and numbers. */
const TORRENT_BYTES = 512;

/** A part of the news that fits one announce. */
export interface NewsBatch {
  readonly torrents: readonly AnnouncedTorrent[];
  readonly left: readonly string[];
  /** One of `torrents` has just been completed. */
  readonly completed: boolean;
  /** There is more than fits. */
  readonly more: boolean;
}

/**
 * What a peer has to tell one tracker. Something stays news until the tracker has answered to exactly that: what
 * changed while the announce was under way is news still.
 */
export class AnnounceNews {
  readonly #torrents = new Map<string, AnnouncedTorrent & { readonly bitfield: Bitfield }>();
  readonly #changed = new Set<string>();
  readonly #completed = new Set<string>();
  readonly #left = new Set<string>();

  /** Whether there is anything to tell. */
  get waiting(): boolean {
    return this.#changed.size > 0 || this.#left.size > 0;
  }

  /** Joins, or has other pieces than before. Copies the bitfield; left out, it is as it was. */
  update(torrent: AnnouncedTorrent): void {
    const { infoHash, totalPieces } = torrent;
    const bitfield = torrent.bitfield?.clone() ?? this.#torrents.get(infoHash)?.bitfield;
    this.#torrents.set(infoHash, { ...torrent, bitfield: bitfield ?? new Bitfield(totalPieces) });
    this.#changed.add(infoHash);
    this.#left.delete(infoHash);
  }

  /** Does nothing for a torrent that is not taken part in. */
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

  /** The tracker knows nothing of these torrents; by default of none. */
  again(infoHashes: Iterable<string> = this.#torrents.keys()): void {
    for (const infoHash of infoHashes) if (this.#torrents.has(infoHash)) this.#changed.add(infoHash);
  }

  /** What to tell next. It stays news until `told`. */
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

  /** Nothing new: revisions without bitfields, by which the tracker notices what it lacks. */
  reminder(): NewsBatch {
    const torrents = [...this.#torrents.values()]
      .slice(0, MAX_TORRENTS)
      .map(({ bitfield: _, ...torrent }) => torrent);
    return { torrents, left: [], completed: false, more: false };
  }
}

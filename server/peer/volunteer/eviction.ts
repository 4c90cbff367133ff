import type { PieceRange, PieceRanges } from "#core/ports/tracker.ts";

/** When copies fill more than this share of the capacity, trackers are asked to let some go ... */
const HIGH_WATER = 0.95;
/** ... until no more than this share is filled. */
const LOW_WATER = 0.9;
/** Pause before a torrent is asked for again after a tracker has refused it. */
const REFUSED_MS = 60_000;
/** A tracker that has not answered for this time has let our lease end and no longer counts the copies here. */
const SILENT_MS = 60_000;
/** Torrents asked for in one announce. */
const MAX_ASKED = 16;

/** All copies of one torrent, which may be dropped together. */
export interface Evictable extends PieceRanges {
  readonly bytes: number;
}

interface Asked extends Evictable {
  /** URLs of the trackers whose last answer granted the drop. */
  readonly granted: Set<string>;
}

/**
 * Decides which copies to ask the trackers to let go, and when a drop is allowed: when every tracker that still
 * counts on this peer has granted it. So the last copy of a piece stays, even on a full disk.
 */
export class Eviction {
  readonly #capacityBytes: number;
  readonly #asked = new Map<string, Asked>();
  readonly #refusedUntilMs = new Map<string, number>();
  /** By tracker URL. */
  readonly #heardAtMs = new Map<string, number>();
  /** By tracker URL: the drops that the announce in progress asks for. */
  readonly #told = new Map<string, readonly Asked[]>();

  constructor(capacityBytes: number) {
    this.#capacityBytes = capacityBytes;
  }

  /** The drops to ask this tracker for. `candidates` may be dropped, least recently used first. */
  ask(trackerUrl: string, usedBytes: number, candidates: Iterable<Evictable>, now: number): PieceRanges[] {
    if (usedBytes <= this.#capacityBytes * LOW_WATER) this.#asked.clear();
    else if (usedBytes > this.#capacityBytes * HIGH_WATER || this.#asked.size > 0)
      this.#choose(usedBytes - this.#capacityBytes * LOW_WATER, candidates, now);
    const told = [...this.#asked.values()];
    this.#told.set(trackerUrl, told);
    return told.map(({ infoHash, totalPieces, ranges }) => ({ infoHash, totalPieces, ranges }));
  }

  /**
   * Takes a tracker's answer to the last `ask`. Returns the info hashes of the copies to drop now, and of those that
   * a tracker believes to be gone although they stay.
   */
  heard(
    trackerUrl: string,
    grants: readonly PieceRanges[],
    now: number,
  ): { dropped: string[]; kept: string[] } {
    this.#heardAtMs.set(trackerUrl, now);
    const dropped: string[] = [];
    const kept: string[] = [];
    for (const asked of this.#told.get(trackerUrl) ?? []) {
      const { infoHash, granted } = asked;
      const leave = grants.some((grant) => grant.infoHash === infoHash && sameRanges(grant, asked));
      if (leave) granted.add(trackerUrl);
      if (this.#asked.get(infoHash) !== asked) {
        if (leave) kept.push(infoHash);
        continue;
      }
      if (!leave) {
        this.#asked.delete(infoHash);
        this.#refusedUntilMs.set(infoHash, now + REFUSED_MS);
        if (granted.size > 0) kept.push(infoHash);
      } else if (this.#complete(granted, now)) {
        this.#asked.delete(infoHash);
        dropped.push(infoHash);
      }
    }
    this.#told.delete(trackerUrl);
    return { dropped, kept };
  }

  #choose(neededBytes: number, candidates: Iterable<Evictable>, now: number): void {
    const before = new Map(this.#asked);
    this.#asked.clear();
    let missingBytes = neededBytes;
    for (const candidate of candidates) {
      if (missingBytes <= 0 || this.#asked.size === MAX_ASKED) return;
      const { infoHash } = candidate;
      if ((this.#refusedUntilMs.get(infoHash) ?? 0) > now) continue;
      this.#refusedUntilMs.delete(infoHash);
      missingBytes -= candidate.bytes;
      const same = before.get(infoHash);
      const stands = same && sameRanges(same, candidate);
      this.#asked.set(infoHash, stands ? same : { ...candidate, granted: new Set() });
    }
  }

  #complete(granted: ReadonlySet<string>, now: number): boolean {
    for (const [trackerUrl, heardAtMs] of this.#heardAtMs) {
      if (now - heardAtMs > SILENT_MS) this.#heardAtMs.delete(trackerUrl);
      else if (!granted.has(trackerUrl)) return false;
    }
    return true;
  }
}

function sameRanges(a: PieceRanges, b: PieceRanges): boolean {
  const same = ({ first, last }: PieceRange, n: number) =>
    b.ranges[n]!.first === first && b.ranges[n]!.last === last;
  return a.ranges.length === b.ranges.length && a.ranges.every(same);
}

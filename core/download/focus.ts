import type { Bitfield } from "../base/bitfield.ts";
import type { PieceGeometry, PieceIndex } from "../torrent/piece.ts";
import type { PieceRequest } from "./download-peer.ts";

/** The pieces that a reader needs next, in order: a player, or a program that reads a content URL. */
export interface FocusRange {
  /** The pieces from `first` to before `end`. */
  readonly first: PieceIndex;
  readonly end: number;
  /** When the first piece is needed, on the download's clock, and the time from one piece to the next. */
  readonly byMs: number;
  readonly stepMs: number;
}

/** A request of which less than this part has arrived makes room for a piece that a reader waits for. */
const KEPT_PART = 1 / 4;

/** The readers of a download and the pieces that they need, nearest deadline first. */
export class Focus {
  readonly #readers = new Map<object, FocusRange>();

  get isEmpty(): boolean {
    return this.#readers.size === 0;
  }

  /**
   * Moves a reader to a range; undefined: the reader has left. Returns the pieces of all readers, each once, without
   * those held.
   */
  move(reader: object, range: FocusRange | undefined, held: Bitfield): PieceIndex[] {
    this.#readers.delete(reader);
    if (range) this.#readers.set(reader, range);
    const byMs = new Map<PieceIndex, number>();
    for (const range of this.#readers.values()) {
      for (let n = range.first; n < range.end; n++) {
        const index = n as PieceIndex;
        if (held.has(index)) continue;
        const dueMs = range.byMs + (n - range.first) * range.stepMs;
        byMs.set(index, Math.min(dueMs, byMs.get(index) ?? dueMs));
      }
    }
    return [...byMs.keys()].sort((a, b) => byMs.get(a)! - byMs.get(b)! || a - b);
  }
}

/**
 * The requests to cancel when the focus moves to `pieces`: those for a piece that is neither focused nor wanted, and
 * while a focused piece waits for its first request, those for other pieces that have hardly begun.
 */
export function needless(
  requests: readonly PieceRequest[],
  pieces: readonly PieceIndex[],
  wanted: Bitfield | undefined,
  geometry: PieceGeometry,
): PieceRequest[] {
  const focused = new Set(pieces);
  const asked = new Set(requests.map(({ index }) => index));
  const waits = pieces.some((index) => !asked.has(index));
  return requests.filter(({ index, receiver }) => {
    if (focused.has(index)) return false;
    return (
      wanted?.has(index) === false || (waits && receiver.received < KEPT_PART * geometry.lengthOf(index))
    );
  });
}

import type { Bitfield } from "../base/bitfield.ts";
import { countWords, emptyWords, fullWords, type PieceWords, wordsOf } from "./words.ts";

/** How many copies of every piece there are, as far as that matters: up to `target`. */
export class CopyCount {
  readonly target: number;
  readonly #size: number;
  /** The pieces with more copies than the place in this list says. */
  readonly #moreThan: readonly PieceWords[];

  constructor(size: number, target: number) {
    this.#size = size;
    this.target = target;
    this.#moreThan = Array.from({ length: target }, () => emptyWords(size));
  }

  /** One more copy of each of these. */
  add(words: PieceWords): void {
    for (let at = 0; at < words.length; at++) if (words[at] !== 0) this.addAt(at, words[at]!);
  }

  /** One more copy of each piece of one word. */
  addAt(at: number, word: number): void {
    let carry = word;
    for (let level = 0; carry !== 0 && level < this.target; level++) {
      const words = this.#moreThan[level]!;
      const both = words[at]! & carry;
      words[at]! |= carry;
      carry = both;
    }
  }

  /** Of one word: the pieces with exactly so many copies, fewer than the target. */
  exactlyAt(at: number, copies: number, all: number): number {
    return (copies === 0 ? all : this.#moreThan[copies - 1]![at]!) & ~this.#moreThan[copies]![at]!;
  }

  /** Of one word: the pieces with as many copies as the target, or more. */
  enoughAt(at: number): number {
    return this.target === 0 ? -1 : this.#moreThan[this.target - 1]![at]!;
  }

  /** Pieces with fewer copies than the target. */
  get under(): number {
    return this.target === 0 ? 0 : this.#size - countWords(this.#moreThan[this.target - 1]!);
  }

  /** Pieces with at least one copy. A target of 0 counts none. */
  get some(): PieceWords {
    return this.#moreThan[0] ?? fullWords(this.#size);
  }
}

/** One peer's part in what there is of a torrent. */
export interface Copies {
  readonly bitfield: Bitfield;
  /** Others are told of it. Who is not gives no copy to anybody, and counts as none. */
  readonly listed: boolean;
  /** It gives copies, and takes its own with it. */
  readonly draining: boolean;
}

/** How far a torrent is from its target. */
export interface CopyState {
  readonly target: number;
  /** Pieces with fewer copies than the target among listed peers that stay. */
  readonly under: number;
  /** Of those, the pieces that no listed peer has. */
  readonly lost: number;
}

/** With enough complete peers that stay, the others do not matter and are not looked at. */
export function copyState(size: number, peers: readonly Copies[], target: number): CopyState {
  const staying = peers.filter(({ listed, draining }) => listed && !draining);
  const complete = staying.filter(({ bitfield }) => bitfield.complete).length;
  if (complete >= target) return { target, under: 0, lost: 0 };
  const copies = new CopyCount(size, target);
  for (const { bitfield } of staying) if (bitfield.count > 0) copies.add(wordsOf(bitfield));
  return { target, under: copies.under, lost: countWords(lostPieces(size, peers)) };
}

/** The pieces that no listed peer has. */
export function lostPieces(size: number, peers: readonly Copies[]): PieceWords {
  const lost = fullWords(size);
  for (const { bitfield, listed } of peers) {
    if (!listed || bitfield.count === 0) continue;
    if (bitfield.complete) return lost.fill(0);
    const words = wordsOf(bitfield);
    for (let at = 0; at < lost.length; at++) lost[at]! &= ~words[at]!;
  }
  return lost;
}

/** How many of its pieces a peer has alone: no listed peer that stays has them. */
export function lastCopies(bitfield: Bitfield, peers: readonly Copies[]): number {
  const alone = wordsOf(bitfield);
  for (const { bitfield: other, listed, draining } of peers) {
    if (!listed || draining || other.count === 0) continue;
    if (other.complete) return 0;
    const words = wordsOf(other);
    for (let at = 0; at < alone.length; at++) alone[at]! &= ~words[at]!;
  }
  return countWords(alone);
}

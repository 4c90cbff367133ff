import type { Bitfield } from "../base/bitfield.ts";
import { countWords, emptyWords, fullWords, type PieceWords, removeWords, wordsOf } from "./words.ts";

/** Counts the copies of every piece, up to `target`. */
export class CopyCount {
  readonly target: number;
  readonly #size: number;
  /** Entry n holds the pieces with more than n copies. */
  readonly #moreThan: readonly PieceWords[];

  constructor(size: number, target: number) {
    this.#size = size;
    this.target = target;
    this.#moreThan = Array.from({ length: target }, () => emptyWords(size));
  }

  /** Adds one copy of each of these pieces. */
  add(words: PieceWords): void {
    for (let at = 0; at < words.length; at++) if (words[at] !== 0) this.addAt(at, words[at]!);
  }

  /** Adds one copy of each piece in one word. */
  addAt(at: number, word: number): void {
    let carry = word;
    for (let level = 0; carry !== 0 && level < this.target; level++) {
      const words = this.#moreThan[level]!;
      const both = words[at]! & carry;
      words[at]! |= carry;
      carry = both;
    }
  }

  /** In one word: the pieces of `all` with exactly `copies` copies, which must be fewer than the target. */
  exactlyAt(at: number, copies: number, all: number): number {
    return (copies === 0 ? all : this.#moreThan[copies - 1]![at]!) & ~this.#moreThan[copies]![at]!;
  }

  /** In one word: the pieces with at least the target's copies. */
  enoughAt(at: number): number {
    return this.target === 0 ? -1 : this.#moreThan[this.target - 1]![at]!;
  }

  /** Pieces with fewer copies than the target. */
  get under(): number {
    return this.target === 0 ? 0 : this.#size - countWords(this.#moreThan[this.target - 1]!);
  }

  /** Pieces with at least one copy. With a target of 0 no copies are counted, and it holds all pieces. */
  get some(): PieceWords {
    return this.#moreThan[0] ?? fullWords(this.#size);
  }
}

/** One peer's copies of a torrent's pieces. */
export interface Copies {
  readonly bitfield: Bitfield;
  /** The tracker names the peer to others. An unlisted peer gives no copies, and its pieces do not count. */
  readonly listed: boolean;
  /** The peer leaves: it gives copies, but its own will go. */
  readonly draining: boolean;
}

/** The distance of a torrent from its replication target. */
export interface CopyState {
  readonly target: number;
  /** Pieces with fewer copies than the target among listed peers that stay. */
  readonly under: number;
  /** Pieces among these that no listed peer has. */
  readonly lost: number;
}

/** With `target` complete peers that stay, the other peers do not matter and are not looked at. */
export function copyState(size: number, peers: readonly Copies[], target: number): CopyState {
  const staying = peers.filter(stays);
  const complete = staying.filter(({ bitfield }) => bitfield.complete).length;
  if (complete >= target) return { target, under: 0, lost: 0 };
  const copies = new CopyCount(size, target);
  for (const { bitfield } of staying) if (bitfield.count > 0) copies.add(wordsOf(bitfield));
  return { target, under: copies.under, lost: countWords(lostPieces(size, peers)) };
}

/** The pieces that no listed peer has. */
export function lostPieces(size: number, peers: readonly Copies[]): PieceWords {
  return without(fullWords(size), peers, ({ listed }) => listed);
}

/** The number of pieces that this peer has and no listed peer that stays. */
export function lastCopies(bitfield: Bitfield, peers: readonly Copies[]): number {
  return countWords(without(wordsOf(bitfield), peers, stays));
}

function stays({ listed, draining }: Copies): boolean {
  return listed && !draining;
}

/** Removes the pieces of the peers that count. */
function without(words: PieceWords, peers: readonly Copies[], counts: (peer: Copies) => boolean): PieceWords {
  for (const peer of peers) {
    if (!counts(peer) || peer.bitfield.count === 0) continue;
    if (peer.bitfield.complete) return words.fill(0);
    removeWords(words, wordsOf(peer.bitfield));
  }
  return words;
}

import { Bitfield } from "../base/bitfield.ts";
import type { PieceRange } from "../ports/tracker.ts";

/** A set of pieces, 32 to a word, for sums over all peers. The high bit of word 0 is index 0; spare bits are zero. */
export type PieceWords = Int32Array<ArrayBuffer>;

export function emptyWords(size: number): PieceWords {
  return new Int32Array(Math.ceil(size / 32));
}

export function fullWords(size: number): PieceWords {
  const words = emptyWords(size).fill(-1);
  if (size % 32 > 0) words[words.length - 1] = -1 << (32 - (size % 32));
  return words;
}

export function wordsOf(bitfield: Bitfield): PieceWords {
  if (bitfield.complete) return fullWords(bitfield.size);
  const bytes = bitfield.toBytes();
  const words = emptyWords(bitfield.size);
  for (let at = 0; at < bytes.length; at++) words[at >> 2]! |= bytes[at]! << (24 - 8 * (at & 3));
  return words;
}

/** Reverses wordsOf. */
export function bitfieldOf(words: PieceWords, size: number): Bitfield {
  const bytes = new Uint8Array(Math.ceil(size / 8));
  for (let at = 0; at < bytes.length; at++) bytes[at] = words[at >> 2]! >>> (24 - 8 * (at & 3));
  return Bitfield.fromBytes(size, bytes);
}

/** The pieces of these ranges; indices outside 0 to size - 1 are left out. */
export function wordsOfRanges(ranges: readonly PieceRange[], size: number): PieceWords {
  const words = emptyWords(size);
  for (const { first, last } of ranges) {
    for (let index = Math.max(0, first); index <= last && index < size; ) {
      const at = index >> 5;
      const end = Math.min(last, size - 1, at * 32 + 31);
      words[at]! |= (-1 >>> (index & 31)) & (-1 << (31 - (end & 31)));
      index = end + 1;
    }
  }
  return words;
}

/** Adds the pieces of `more`. */
export function addWords(words: PieceWords, more: PieceWords): void {
  for (let at = 0; at < words.length; at++) words[at]! |= more[at]!;
}

/** Removes the pieces of `fewer`. */
export function removeWords(words: PieceWords, fewer: PieceWords): void {
  for (let at = 0; at < words.length; at++) words[at]! &= ~fewer[at]!;
}

/** The pieces as ranges, ascending and not adjacent; only the first `most` of them. */
export function rangesOf(words: PieceWords, most = Number.POSITIVE_INFINITY): PieceRange[] {
  const ranges: { first: number; last: number }[] = [];
  for (let at = 0; at < words.length; at++) {
    let word = words[at]!;
    while (word !== 0) {
      const first = Math.clz32(word);
      const run = Math.clz32(~(word << first));
      const before = ranges.at(-1);
      if (before && before.last === at * 32 + first - 1) before.last += run;
      else if (ranges.length === most) return ranges;
      else ranges.push({ first: at * 32 + first, last: at * 32 + first + run - 1 });
      word = first + run === 32 ? 0 : word & (-1 >>> (first + run));
    }
  }
  return ranges;
}

/** The number of pieces in disjoint ranges. */
export function piecesIn(ranges: readonly PieceRange[]): number {
  return ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
}

export function countBits(word: number): number {
  const pairs = word - ((word >>> 1) & 0x55555555);
  const fours = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333);
  return Math.imul((fours + (fours >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

export function countWords(words: PieceWords): number {
  let count = 0;
  for (let at = 0; at < words.length; at++) count += countBits(words[at]!);
  return count;
}

/** The first `most` pieces of a word. */
export function firstBits(word: number, most: number): number {
  let rest = word;
  let taken = 0;
  for (let count = 0; count < most && rest !== 0; count++) {
    const bit = 0x80000000 >>> Math.clz32(rest);
    taken |= bit;
    rest &= ~bit;
  }
  return taken;
}

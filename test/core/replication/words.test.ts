import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Bitfield } from "#core/base/bitfield.ts";
import { copyState, lastCopies, lostPieces } from "#core/replication/copies.ts";
import {
  countWords,
  firstBits,
  fullWords,
  piecesIn,
  rangesOf,
  wordsOf,
  wordsOfRanges,
} from "#core/replication/words.ts";

const sets = fc.integer({ min: 1, max: 200 }).chain((size) =>
  fc.record({
    size: fc.constant(size),
    held: fc.subarray(Array.from({ length: size }, (_, index) => index)),
  }),
);

function indices(ranges: readonly { first: number; last: number }[]): number[] {
  return ranges.flatMap(({ first, last }) => Array.from({ length: last - first + 1 }, (_, n) => first + n));
}

describe("words of pieces", () => {
  it("say what the bitfield says, and become its ranges and words again", () => {
    fc.assert(
      fc.property(sets, ({ size, held }) => {
        const words = wordsOf(Bitfield.of(size, held));
        const ranges = rangesOf(words);
        expect(countWords(words)).toBe(held.length);
        expect(piecesIn(ranges)).toBe(held.length);
        expect(indices(ranges)).toEqual(held);
        for (const [at, { first }] of ranges.entries())
          if (at > 0) expect(first).toBeGreaterThan(ranges[at - 1]!.last + 1);
        expect(wordsOfRanges(ranges, size)).toEqual(words);
      }),
    );
  });

  it("of all pieces have no spare bit, for every size", () => {
    for (let size = 1; size <= 130; size++) {
      expect(fullWords(size)).toEqual(wordsOf(Bitfield.of(size, Array(size).keys())));
      expect(rangesOf(fullWords(size))).toEqual([{ first: 0, last: size - 1 }]);
    }
  });

  it("are cut to so many ranges, or so many pieces, from the front", () => {
    fc.assert(
      fc.property(sets, fc.nat(40), ({ size, held }, most) => {
        const words = wordsOf(Bitfield.of(size, held));
        expect(rangesOf(words, most)).toEqual(rangesOf(words).slice(0, most));
        const first = held.filter((index) => index < 32).slice(0, most);
        expect(firstBits(words[0]!, most)).toBe(wordsOf(Bitfield.of(size, first))[0]);
      }),
    );
  });

  it("of ranges beyond the last piece end there", () => {
    expect(rangesOf(wordsOfRanges([{ first: 30, last: 1_000 }], 40))).toEqual([{ first: 30, last: 39 }]);
  });
});

describe("copies", () => {
  const peers = fc.integer({ min: 1, max: 80 }).chain((size) =>
    fc.record({
      size: fc.constant(size),
      target: fc.nat(5),
      list: fc.array(
        fc.record({
          held: fc.oneof(fc.constant([...Array(size).keys()]), fc.subarray([...Array(size).keys()])),
          listed: fc.boolean(),
          draining: fc.boolean(),
        }),
        { maxLength: 8 },
      ),
    }),
  );

  it("are counted as one would by hand: below the target, lost, and held by one peer alone", () => {
    fc.assert(
      fc.property(peers, ({ size, target, list }) => {
        const members = list.map(({ held, ...peer }) => ({ ...peer, bitfield: Bitfield.of(size, held) }));
        const among = (of: typeof members, index: number) =>
          of.filter(({ bitfield }) => bitfield.has(index)).length;
        const listed = members.filter((peer) => peer.listed);
        const staying = listed.filter((peer) => !peer.draining);
        const all = [...Array(size).keys()];
        const under = all.filter((index) => among(staying, index) < target);
        const gone = all.filter((index) => among(listed, index) === 0);
        expect(copyState(size, members, target)).toEqual({
          target,
          under: under.length,
          lost: under.filter((index) => gone.includes(index)).length,
        });
        expect(indices(rangesOf(lostPieces(size, members)))).toEqual(gone);
        for (const { bitfield } of members) {
          const alone = all.filter((index) => bitfield.has(index) && among(staying, index) === 0);
          expect(lastCopies(bitfield, members)).toBe(alone.length);
        }
      }),
    );
  });
});

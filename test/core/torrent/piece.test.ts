import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InvalidField } from "#core/base/errors.ts";
import { automaticPieceLength, MAX_PIECE_LENGTH, PieceGeometry } from "#core/torrent/piece.ts";

/** The length of every piece, in order. */
function lengths(length: number, pieceLength: number): number[] {
  const geometry = new PieceGeometry(length, pieceLength);
  return [...geometry.indices()].map((index) => geometry.lengthOf(index));
}

describe("piece geometry", () => {
  it("cuts at the edge sizes", () => {
    expect(lengths(0, 10)).toEqual([0]);
    expect(lengths(1, 10)).toEqual([1]);
    expect(lengths(10, 10)).toEqual([10]);
    expect(lengths(11, 10)).toEqual([10, 1]);
    expect(lengths(20, 10)).toEqual([10, 10]);
  });

  it("covers every byte once, in order", () => {
    fc.assert(
      fc.property(fc.nat({ max: 10_000 }), fc.integer({ min: 1, max: 2_000 }), (length, pieceLength) => {
        const geometry = new PieceGeometry(length, pieceLength);
        let at = 0;
        for (const index of geometry.indices()) {
          expect(geometry.offset(index)).toBe(at);
          if (index < geometry.count - 1) expect(geometry.lengthOf(index)).toBe(pieceLength);
          at += geometry.lengthOf(index);
        }
        expect(at).toBe(length);
      }),
    );
  });

  it("reaches beyond 4 GiB without losing a byte", () => {
    const geometry = new PieceGeometry(5 * 2 ** 30 + 1, 1 << 20);
    const last = geometry.index(geometry.count - 1);
    expect(geometry.offset(last)).toBe(5 * 2 ** 30);
    expect(geometry.lengthOf(last)).toBe(1);
  });

  it("makes an index only of numbers that are one", () => {
    const geometry = new PieceGeometry(25, 10);
    expect([0, 1, 3, 4, 1.5, Number.NaN].map((number) => geometry.indexOfNumber(number))).toEqual([
      undefined,
      0,
      2,
      undefined,
      undefined,
      undefined,
    ]);
    expect(() => geometry.index(3)).toThrow(RangeError);
  });

  it("names the field that makes no sense", () => {
    expect(() => new PieceGeometry(-1, 10)).toThrow(InvalidField);
    expect(() => new PieceGeometry(1, 0)).toThrow(/piece_length/);
  });
});

describe("the automatic piece length", () => {
  const GiB = 2 ** 30;
  it.each([
    [0, 1],
    [4 * GiB, 1],
    [4 * GiB + 1, 2],
    [64 * GiB, 2],
    [64 * GiB + 1, 4],
    [128 * GiB, 4],
    [512 * GiB, 16],
    [5_000 * GiB, 16],
  ])("of %d bytes is %d MiB", (length, mebibytes) => {
    expect(automaticPieceLength(length)).toBe(mebibytes << 20);
  });

  it("keeps 32,768 pieces as long as pieces may grow", () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (length) => {
        const pieceLength = automaticPieceLength(length);
        expect(pieceLength === MAX_PIECE_LENGTH || Math.ceil(length / pieceLength) <= 32_768).toBe(true);
      }),
    );
  });
});

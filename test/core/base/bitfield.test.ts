import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Bitfield } from "#core/base/bitfield.ts";
import { InvalidField } from "#core/base/errors.ts";

const sizeAndBits = fc
  .integer({ min: 1, max: 200 })
  .chain((size) => fc.tuple(fc.constant(size), fc.uniqueArray(fc.nat({ max: size - 1 }))));

describe("bitfield on the wire (BEP 3)", () => {
  it("has the first piece in the high bit of byte 0 and spare bits zero", () => {
    expect(Bitfield.of(10, [0, 9]).toBytes()).toEqual(Uint8Array.of(0b1000_0000, 0b0100_0000));
    expect(Bitfield.full(10).toBytes()).toEqual(Uint8Array.of(0xff, 0b1100_0000));
    expect(Bitfield.full(16).toBytes()).toEqual(Uint8Array.of(0xff, 0xff));
  });

  it("comes back as it went", () => {
    fc.assert(
      fc.property(sizeAndBits, ([size, bits]) => {
        const bitfield = Bitfield.of(size, bits);
        const back = Bitfield.fromBytes(size, bitfield.toBytes());
        expect(back.toBytes()).toEqual(bitfield.toBytes());
        expect([...back]).toEqual([...bits].sort((a, b) => a - b));
        expect(back.count).toBe(bits.length);
        expect(back.complete).toBe(bits.length === size);
      }),
    );
  });

  it("is refused with any other length, and with any spare bit set", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.uint8Array({ maxLength: 30 }), (size, bytes) => {
        const spare = bytes.length * 8 - size;
        const wrongLength = bytes.length !== Math.ceil(size / 8);
        const spareSet = !wrongLength && (bytes.at(-1)! & (2 ** spare - 1)) !== 0;
        const parse = () => Bitfield.fromBytes(size, bytes);
        if (wrongLength || spareSet) expect(parse).toThrow(InvalidField);
        else expect(parse().toBytes()).toEqual(bytes);
      }),
    );
  });
});

describe("bitfield as a set", () => {
  it("does what a set of numbers does", () => {
    fc.assert(
      fc.property(
        sizeAndBits,
        fc.array(fc.tuple(fc.boolean(), fc.nat({ max: 199 }))),
        ([size, bits], steps) => {
          const bitfield = Bitfield.of(size, bits);
          const model = new Set(bits);
          for (const [set, number] of steps) {
            const index = number % size;
            expect(set ? bitfield.set(index) : bitfield.clear(index)).toBe(
              set ? !model.has(index) : model.has(index),
            );
            if (set) model.add(index);
            else model.delete(index);
          }
          expect([...bitfield]).toEqual([...model].sort((a, b) => a - b));
          expect(bitfield.count).toBe(model.size);
        },
      ),
    );
  });

  it("has nothing outside its size, and takes nothing there", () => {
    const bitfield = Bitfield.full(3);
    for (const index of [-1, 3, 7, 1e9]) expect(bitfield.has(index)).toBe(false);
    for (const index of [-1, 3, 0.5, Number.NaN]) expect(() => bitfield.set(index)).toThrow(RangeError);
    expect(bitfield.complete).toBe(true);
  });

  it("clones share nothing", () => {
    const bitfield = new Bitfield(8);
    bitfield.clone().set(1);
    bitfield.toBytes().fill(0xff);
    expect(bitfield.count).toBe(0);
  });
});

it("takes over what another has set", () => {
  fc.assert(
    fc.property(sizeAndBits, fc.array(fc.nat({ max: 199 })), ([size, bits], more) => {
      const others = more.filter((bit) => bit < size);
      const bitfield = Bitfield.of(size, bits);
      bitfield.setFrom(Bitfield.of(size, others));
      expect(bitfield.toBytes()).toEqual(Bitfield.of(size, [...bits, ...others]).toBytes());
      expect(bitfield.count).toBe(new Set([...bits, ...others]).size);
    }),
  );
});

import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  fieldsOf,
  frameHead,
  intField,
  MAX_INT_FIELD_BYTES,
  readFrameHead,
  writeIntField,
} from "#core/rpc/wire.ts";

const numbers = fc.integer({ min: 1, max: 15 });
const values = fc.oneof(fc.nat(300), fc.integer({ min: 0, max: 2 ** 32 - 1 }));

describe("a field of a whole number", () => {
  it("is what the library writes, and nothing for 0", () => {
    fc.assert(
      fc.property(numbers, values, (number, value) => {
        const written = new BinaryWriter().tag(number, WireType.Varint).uint32(value).finish();
        expect(intField(number, value)).toEqual(value === 0 ? [] : [...written]);
        expect(written.length).toBeLessThanOrEqual(MAX_INT_FIELD_BYTES);
      }),
    );
  });

  it("is written behind what is there, and read again", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(numbers, values), { maxLength: 5 }), (fields) => {
        const bytes = new Uint8Array(fields.length * MAX_INT_FIELD_BYTES);
        const end = fields.reduce((at, [number, value]) => writeIntField(bytes, at, number, value), 0);
        const read = [...fieldsOf(bytes.subarray(0, end))].map(({ number, int }) => [number, int]);
        expect(read).toEqual(fields.filter(([, value]) => value !== 0));
      }),
    );
  });
});

it("a frame's head is its flags and its length, read from any place", () => {
  expect([...frameHead(0x01020304, 0x80)]).toEqual([0x80, 1, 2, 3, 4]);
  expect([...frameHead(5)]).toEqual([0, 0, 0, 0, 5]);
  const bytes = Uint8Array.from([9, 9, ...frameHead(0xffff_ffff, 1)]);
  expect(readFrameHead(bytes, 2)).toEqual({ flags: 1, length: 0xffff_ffff });
  expect(() => readFrameHead(bytes, 3)).toThrow(RangeError);
});

import { expect, it } from "vitest";
import { fingerprintOf } from "../../../../server/peer/stores/fingerprint.ts";
import { noise } from "../../../support/swarms/made-torrent.ts";

it("is the same for the same bytes, and another after any one bit has flipped", () => {
  const bytes = noise(300, 1);
  const before = fingerprintOf(bytes);
  expect(before).toHaveLength(16);
  expect(fingerprintOf(bytes.slice())).toBe(before);
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    expect(fingerprintOf(bytes)).not.toBe(before);
    bytes[bit >> 3]! ^= 1 << (bit & 7);
  }
});

it("tells the length too, and takes no bytes as well as the largest piece", () => {
  expect(fingerprintOf(new Uint8Array(0))).not.toBe(fingerprintOf(new Uint8Array(1)));
  expect(fingerprintOf(new Uint8Array(16))).not.toBe(fingerprintOf(new Uint8Array(32)));
  expect(fingerprintOf(new Uint8Array(16 << 20))).toBe(fingerprintOf(new Uint8Array(16 << 20)));
});

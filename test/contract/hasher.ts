import { describe, expect, it } from "vitest";
import { type Hasher, sha256 } from "#core/base/hash.ts";

const text = (words: string) => new TextEncoder().encode(words);

/** FIPS 180-4's examples, nothing, and bytes that fill no whole block. */
const vectors: readonly { what: string; bytes: Uint8Array; hash: string }[] = [
  {
    what: "nothing",
    bytes: new Uint8Array(),
    hash: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  },
  {
    what: "three bytes",
    bytes: text("abc"),
    hash: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  },
  {
    what: "two blocks",
    bytes: text("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
    hash: "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
  },
  {
    what: "a million bytes",
    bytes: new Uint8Array(1_000_000).fill(0x61),
    hash: "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
  },
];

/** What every Hasher promises. `make` is asked once a test. */
export function hasherContract(name: string, make: () => Hasher | Promise<Hasher>): void {
  describe(`Hasher: ${name}`, () => {
    it.each(vectors)("knows the hash of $what", async ({ bytes, hash }) => {
      expect(await sha256(await make(), bytes)).toBe(hash);
    });

    it("is the hash of nothing without an update, and an empty update changes nothing", async () => {
      const hasher = await make();
      expect(await hasher.create().digest()).toBe(vectors[0]!.hash);
      const state = hasher.create();
      for (const part of [text(""), text("ab"), text(""), text("c")]) state.update(part);
      expect(await state.digest()).toBe(vectors[1]!.hash);
    });

    it.each([1, 63, 64, 65, 4_096, 65_537])(
      "takes a million bytes %i at a time from a buffer that is used again",
      async (atOnce) => {
        const { bytes, hash } = vectors[3]!;
        const state = (await make()).create();
        const buffer = new Uint8Array(atOnce + 2);
        // One byte at a time takes long and shows no more than the first part does.
        const end = atOnce === 1 ? 10_000 : bytes.length;
        for (let offset = 0; offset < end; offset += atOnce) {
          const part = bytes.subarray(offset, Math.min(offset + atOnce, end));
          buffer.set(part, 1);
          state.update(buffer.subarray(1, 1 + part.length));
          buffer.fill(0xff);
        }
        if (end < bytes.length) state.update(bytes.subarray(end));
        expect(await state.digest()).toBe(hash);
      },
    );

    it.each([1_000_000, 400_000])("is told the length and given it %i bytes at a time", async (atOnce) => {
      const { bytes, hash } = vectors[3]!;
      const state = (await make()).create(bytes.length);
      for (let offset = 0; offset < bytes.length; offset += atOnce) {
        const buffer = bytes.slice(offset, offset + atOnce);
        state.update(buffer);
        buffer.fill(0xff);
      }
      expect(await state.digest()).toBe(hash);
    });

    it("keeps hashes apart that are taken at the same time", async () => {
      const hasher = await make();
      const states = [hasher.create(), hasher.create()];
      for (const at of [0, 28]) {
        states[0]!.update(vectors[2]!.bytes.subarray(at, at + 28));
        states[1]!.update(vectors[3]!.bytes.subarray(at && 500_000, at ? 1_000_000 : 500_000));
      }
      const digests = await Promise.all(states.map((state) => state.digest()));
      expect(digests).toEqual([vectors[2]!.hash, vectors[3]!.hash]);
    });
  });
}

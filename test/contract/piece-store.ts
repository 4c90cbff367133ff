import { afterEach, describe, expect, it } from "vitest";
import { sha256, webCryptoHasher } from "#core/base/hash.ts";
import type { PieceStore } from "#core/ports/store.ts";
import { PieceGeometry, type PieceIndex } from "#core/torrent/piece.ts";
import type { Torrent } from "#core/torrent/torrent.ts";

/** What a store is made for. Its `id` stands for one place: opened again, it is the same place. */
export interface StoreCase {
  readonly id: string;
  readonly torrent: Torrent;
  readonly geometry: PieceGeometry;
}

export interface StoreTraits {
  /** Whether what was committed is there when the place is opened again. */
  readonly durable: boolean;
}

const PIECE = 16 << 10;
const SIZES: Record<string, number> = {
  "0 bytes": 0,
  "1 byte": 1,
  "one byte less than a piece": PIECE - 1,
  "exactly one piece": PIECE,
  "exactly three pieces": 3 * PIECE,
  "three pieces and a byte": 3 * PIECE + 1,
};

/**
 * What every PieceStore promises. Runs wherever vitest does, a browser included. `make` opens the place that
 * `StoreCase.id` names; `clean` takes every place away.
 */
export function pieceStoreContract(
  name: string,
  make: (store: StoreCase) => PieceStore | Promise<PieceStore>,
  traits: StoreTraits,
  clean: () => void | Promise<void> = () => {},
): void {
  describe(`PieceStore: ${name}`, () => {
    const open: PieceStore[] = [];
    const openStore = async (store: StoreCase) => {
      const opened = await make(store);
      open.push(opened);
      return opened;
    };
    afterEach(async () => {
      for (const store of open.splice(0)) await store.close();
      await clean();
    });

    it("holds nothing until commit, however much is written", async () => {
      const { at, bytes, ...made } = await storeCase(3 * PIECE + 1);
      const store = await openStore(made);
      expect(store.held.count).toBe(0);
      store.write(at(0), 0, bytes(0));
      expect(store.held.has(0)).toBe(false);
      await expect(store.read(at(0))).rejects.toMatchObject({ code: "not_found" });
      await store.commit(at(0));
      expect([...store.held]).toEqual([0]);
      expect(await store.read(at(0))).toEqual(bytes(0));
    });

    it("takes the bytes of a piece in any order, in chunks, and more than once", async () => {
      const { at, bytes, ...made } = await storeCase(2 * PIECE);
      const store = await openStore(made);
      const piece = bytes(1);
      store.write(at(1), 0, new Uint8Array(PIECE).fill(0xee));
      for (const from of [10_000, 0, 5_000, 5_000, 15_000]) {
        store.write(at(1), from, piece.subarray(from, from + 5_000));
      }
      await store.commit(at(1));
      await store.commit(at(1));
      expect(store.held.count).toBe(1);
      expect(await store.read(at(1))).toEqual(piece);
    });

    it("lets the caller reuse a buffer as soon as the write returns", async () => {
      const { at, bytes, ...made } = await storeCase(PIECE);
      const store = await openStore(made);
      const buffer = bytes(0).slice();
      store.write(at(0), 0, buffer);
      buffer.fill(0);
      await store.commit(at(0));
      expect(await store.read(at(0))).toEqual(bytes(0));
    });

    it("gives every reader a buffer of its own", async () => {
      const { at, bytes, ...made } = await storeCase(PIECE);
      const store = await openStore(made);
      await fill(store, [at(0)], bytes);
      const [first, second] = [await store.read(at(0)), await store.read(at(0))];
      first.fill(0);
      expect(second).toEqual(bytes(0));
      expect(await store.read(at(0))).toEqual(bytes(0));
    });

    it("does not let late bytes change a piece that is held", async () => {
      const { at, bytes, ...made } = await storeCase(2 * PIECE);
      const store = await openStore(made);
      await fill(store, [at(0)], bytes);
      store.write(at(0), 7, new Uint8Array(100).fill(0xee));
      expect(await store.read(at(0))).toEqual(bytes(0));
    });

    it("refuses bytes outside the piece", async () => {
      const { at, ...made } = await storeCase(2 * PIECE + 5);
      const store = await openStore(made);
      expect(() => store.write(at(0), -1, new Uint8Array(1))).toThrow(RangeError);
      expect(() => store.write(at(0), PIECE, new Uint8Array(1))).toThrow(RangeError);
      expect(() => store.write(at(0), 1, new Uint8Array(PIECE))).toThrow(RangeError);
      expect(() => store.write(at(2), 0, new Uint8Array(6))).toThrow(RangeError);
    });

    it("reads many pieces at once", async () => {
      const { at, bytes, ...made } = await storeCase(40 * PIECE);
      const store = await openStore(made);
      const all = [...made.geometry.indices()];
      await fill(store, all, bytes);
      const read = await Promise.all(all.map((index) => store.read(index)));
      expect(read.every((piece, n) => equal(piece, bytes(at(n))))).toBe(true);
    });

    for (const [size, length] of Object.entries(SIZES)) {
      it(`keeps a torrent of ${size} and finishes it, twice`, async () => {
        const { bytes, ...made } = await storeCase(length);
        const store = await openStore(made);
        const backwards = [...made.geometry.indices()].reverse();
        await fill(store, backwards, bytes);
        expect(store.held.complete).toBe(true);
        await store.finish();
        await store.finish();
        for (const index of backwards) expect(await store.read(index)).toEqual(bytes(index));
      });
    }

    it("lets go twice without harm", async () => {
      const { ...made } = await storeCase(PIECE);
      const store = await openStore(made);
      await store.close();
      await store.close();
    });

    if (traits.durable)
      describe("opened again", () => {
        it("holds what was committed and only that", async () => {
          const { at, bytes, ...made } = await storeCase(5 * PIECE + 3);
          const before = await openStore(made);
          await fill(before, [at(5), at(1)], bytes);
          before.write(at(2), 0, bytes(2));
          before.write(at(3), 0, bytes(3).subarray(0, 100));
          await before.close();

          const after = await openStore(made);
          expect([...after.held]).toEqual([1, 5]);
          expect(await after.read(at(1))).toEqual(bytes(1));
          expect(await after.read(at(5))).toEqual(bytes(5));
          await fill(after, [at(0), at(2), at(3), at(4)], bytes);
          await after.finish();
          for (const index of made.geometry.indices()) expect(await after.read(index)).toEqual(bytes(index));
        });

        it("holds everything after finish", async () => {
          const { at, bytes, ...made } = await storeCase(2 * PIECE);
          const before = await openStore(made);
          await fill(before, [at(0), at(1)], bytes);
          await before.finish();
          await before.close();
          const after = await openStore(made);
          expect(after.held.complete).toBe(true);
          expect(await after.read(at(1))).toEqual(bytes(1));
          await after.finish();
        });

        it("holds everything when only the finish was missing", async () => {
          const { at, bytes, ...made } = await storeCase(2 * PIECE);
          const before = await openStore(made);
          await fill(before, [at(0), at(1)], bytes);
          await before.close();
          const after = await openStore(made);
          expect(after.held.complete).toBe(true);
          await after.finish();
          expect(await after.read(at(0))).toEqual(bytes(0));
        });
      });
  });
}

async function fill(store: PieceStore, indices: PieceIndex[], bytes: (index: number) => Uint8Array) {
  for (const index of indices) {
    store.write(index, 0, bytes(index));
    await store.commit(index);
  }
}

let cases = 0;

/** A torrent of `length` bytes that no two cases share, cut into pieces of 16 KiB, and its bytes. */
async function storeCase(length: number) {
  const id = `case-${++cases}.bin`;
  const geometry = new PieceGeometry(length, PIECE);
  const whole = Uint8Array.from({ length }, (_, n) => (n * 31 + (n >> 8) + cases) & 0xff);
  const bytes = (index: number) => {
    const offset = geometry.offset(geometry.index(index));
    return whole.slice(offset, offset + geometry.lengthOf(geometry.index(index)));
  };
  const pieces: string[] = [];
  for (const index of geometry.indices()) pieces.push(await sha256(webCryptoHasher, bytes(index)));
  // A store believes the torrent it is given, so any 64 digits serve as its identity.
  const infoHash = await sha256(webCryptoHasher, new TextEncoder().encode(`${id} ${length}`));
  const lengths = { length, pieceLength: PIECE };
  const torrent: Torrent = { fileName: id, pieces, lengths, infoHash, trackers: [] };
  return { id, torrent, geometry, at: (n: number) => geometry.index(n), bytes };
}

/** Much faster than the matcher on pieces. */
function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, n) => byte === b[n]);
}

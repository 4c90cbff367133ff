import { describe, expect, it } from "vitest";
import { WrongPiece } from "#core/base/errors.ts";
import { webCryptoHasher } from "#core/base/hash.ts";
import { PieceReceiver } from "#core/download/receiver.ts";
import { MemoryPieceStore } from "#core/ports/store.ts";
import type { PieceIndex } from "#core/torrent/piece.ts";
import { nodeHasher } from "../../../server/base/node-hasher.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { seededBytes, torrentOf } from "../../support/swarms/fake-swarm.ts";

const bytes = seededBytes(2_500);
const { torrent, geometry } = torrentOf(bytes, 1_000);
const last = 2 as PieceIndex;

function receiver(options: { direct?: boolean; hasher?: typeof nodeHasher; index?: number } = {}) {
  const store = new MemoryPieceStore(geometry);
  const index = (options.index ?? 0) as PieceIndex;
  const { direct = true, hasher = nodeHasher } = options;
  const hash = torrent.pieces[index]!;
  return {
    store,
    made: new PieceReceiver({
      index,
      hash,
      store,
      hasher,
      direct,
      lengthKnown: true,
      clock: new FakeClock(),
    }),
  };
}

describe("a receiver", () => {
  const ways = [true, false].flatMap((direct) =>
    [nodeHasher, webCryptoHasher].flatMap((hasher) =>
      [Uint8Array, Buffer].map((kind) => ({ direct, hasher, kind })),
    ),
  );
  for (const { direct, hasher, kind } of ways) {
    const name = `${hasher === nodeHasher ? "node:crypto" : "WebCrypto"}, ${kind.name}`;
    it(`takes a piece in parts from a buffer that is used again (direct: ${direct}, ${name})`, async () => {
      const { store, made } = receiver({ direct, hasher });
      const buffer = kind === Buffer ? Buffer.alloc(300) : new Uint8Array(300);
      for (let at = 0; at < 1_000; at += 300) {
        const part = bytes.subarray(at, Math.min(at + 300, 1_000));
        buffer.set(part);
        made.write(buffer.subarray(0, part.length));
      }
      expect(await made.finish(() => true)).toBe(true);
      expect(await store.read(0 as PieceIndex)).toEqual(bytes.slice(0, 1_000));
    });
  }

  it("takes the last piece at its own length", async () => {
    const { store, made } = receiver({ index: 2 });
    made.write(bytes.subarray(2_000));
    await made.finish(() => true);
    expect(await store.read(last)).toHaveLength(500);
  });

  it("stops at the first byte too many", () => {
    const { made } = receiver({ index: 2 });
    made.write(bytes.subarray(2_000));
    expect(() => made.write(Uint8Array.of(0))).toThrow(WrongPiece);
  });

  it("holds nothing that is short or wrong, and says which", async () => {
    const short = receiver();
    short.made.write(bytes.subarray(0, 999));
    await expect(short.made.finish(() => true)).rejects.toThrow("piece 1 ended after 999 of 1000 bytes");
    const wrong = receiver();
    wrong.made.write(bytes.subarray(1_000, 2_000));
    await expect(wrong.made.finish(() => true)).rejects.toThrow("piece 1 has the wrong hash");
    expect(short.store.held.count + wrong.store.held.count).toBe(0);
  });

  it("that is second stores nothing", async () => {
    const { store, made } = receiver({ direct: false });
    made.write(bytes.subarray(0, 1_000));
    expect(await made.finish(() => false)).toBe(false);
    expect(store.held.count).toBe(0);
  });

  it("that is closed drops what still comes, even after the hash was taken", async () => {
    const { store, made } = receiver({ hasher: webCryptoHasher });
    made.write(bytes.subarray(0, 1_000));
    const finishing = made.finish(() => true);
    made.close();
    expect(await finishing).toBe(false);
    made.write(bytes.subarray(0, 1_000));
    expect(store.held.count).toBe(0);
  });
});

import { expect, it } from "vitest";
import { Bitfield } from "#core/base/bitfield.ts";
import type { Tracker } from "#core/ports/tracker.ts";
import { PieceGeometry } from "#core/torrent/piece.ts";
import { Promised } from "../../../../server/peer/volunteer/promised.ts";

const PIECE = 16 << 10;
/** Ten pieces, of which the last has five bytes. */
const geometry = new PieceGeometry(9 * PIECE + 5, PIECE);
const held = Bitfield.of(10, [0]);
const torrents = {
  geometryOf: (infoHash: string) => (infoHash === "a" ? geometry : undefined),
  heldOf: (infoHash: string) => (infoHash === "a" ? [held] : []),
};
const order = (id: string, first: number, last: number, infoHash = "a") => ({
  id,
  infoHash,
  totalPieces: 10,
  ranges: [{ first, last }],
  sources: [],
  expiresMs: 1,
  tracker: {} as Tracker,
});

it("counts each piece once that is lacking, however many orders name it", () => {
  const promised = new Promised(torrents, [order("1", 0, 2), order("2", 2, 3)]);
  expect([...promised.lacking("a")!]).toEqual([1, 2, 3]);
  expect(promised.bytes).toBe(3 * PIECE);
  expect(promised.bytesOf(order("3", 3, 4))).toBe(PIECE);
  expect(promised.bytesOf(order("4", 9, 9))).toBe(5);
  promised.add(order("5", 9, 9));
  expect(promised.bytes).toBe(3 * PIECE + 5);
  expect(promised.bytesOf(order("6", 0, 3))).toBe(0);
});

it("knows which torrents are ordered: those too of which nothing is lacking, or nothing is known", () => {
  const promised = new Promised(torrents, [order("1", 0, 0), order("2", 0, 9, "b")]);
  expect(promised.infoHashes()).toEqual(["a", "b"]);
  expect(promised.lacking("a")?.count).toBe(0);
  expect(promised.lacking("b")?.count).toBe(10);
  expect(promised.bytes).toBe(0);
  expect([promised.has("a"), promised.has("c"), promised.lacking("c")]).toEqual([true, false, undefined]);
});

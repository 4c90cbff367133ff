import { beforeEach, expect, it } from "vitest";
import { PiezaError } from "#core/base/errors.ts";
import { MemoryPieceStore } from "#core/ports/store.ts";
import type { PieceIndex } from "#core/torrent/piece.ts";
import { UploadBudget } from "../../../../server/http/guards/upload-budget.ts";
import { Uploads } from "../../../../server/peer/serving/uploads.ts";
import { ServedTorrents } from "../../../../server/peer/stores/served-torrents.ts";
import { type MadeTorrent, makeTorrent } from "../../../support/swarms/made-torrent.ts";

const CALLER = "127.0.0.1";
const budget = new UploadBudget(1 << 20);
let made: MadeTorrent;
let uploads: Uploads;

/** Reads into the buffer that it is given, but for the last piece, which has rotted. */
class Store extends MemoryPieceStore {
  override async read(index: PieceIndex, into: Uint8Array): Promise<Uint8Array> {
    if (index === 2) throw new PiezaError("data_loss", "it has rotted");
    into.set(made.bytes(index));
    return into.subarray(0, made.bytes(index).length);
  }
}

beforeEach(async () => {
  made = await makeTorrent({ length: 3 << 14 });
  const store = new Store(made.geometry);
  for (const index of made.geometry.indices()) {
    store.write(index, 0, made.bytes(index));
    store.commit(index);
  }
  const served = new ServedTorrents();
  served.add(made.torrent, store);
  uploads = new Uploads(served, budget, () => {});
});

const read = (number: number) => uploads.read(uploads.find(made.torrent.infoHash, number, CALLER), CALLER);

it("a read that failed gives its room back", async () => {
  await expect(read(3)).rejects.toMatchObject({ code: "data_loss" });
  expect(budget.inFlightBytes).toBe(0);
});

it("an answer's buffer is nobody else's until the answer has left, and then one other's, however often that is said", async () => {
  const first = await read(1);
  const second = await read(2);
  expect(Buffer.from(first.bytes)).toEqual(Buffer.from(made.bytes(0)));
  for (const { done } of [first, first, second]) done();
  const again = await Promise.all([read(1), read(2), read(1)]);
  for (const [n, { bytes }] of again.entries())
    expect(Buffer.from(bytes)).toEqual(Buffer.from(made.bytes(n % 2)));
  for (const { done } of again) done();
  expect(budget.inFlightBytes).toBe(0);
});

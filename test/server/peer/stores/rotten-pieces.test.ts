import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { nodeDisk } from "../../../../server/peer/stores/disk.ts";
import { FilePieceStore } from "../../../../server/peer/stores/file-piece-store.ts";
import { openInPlaceStore } from "../../../../server/peer/stores/in-place-store.ts";
import { makeTorrent } from "../../../support/swarms/made-torrent.ts";
import { fill, storeFolder } from "./store-folder.ts";

const PIECE = 16 << 10;
const folder = storeFolder();

/** Turns one bit of a file. */
function rot(path: string, position: number): void {
  const file = openSync(path, "r+");
  writeSync(file, Uint8Array.of(0xa5), 0, 1, position);
  closeSync(file);
}

const part = () => join(folder.path, folder.names().find((name) => name.endsWith(".part"))!);

it("a held piece whose bytes have rotted is withdrawn by a check, and only that", async () => {
  const made = await makeTorrent({ length: 5 * PIECE });
  const store = await folder.open(made, { sync: "piece" });
  await fill(store, made);
  rot(part(), 3 * PIECE + 17);
  for (const index of made.geometry.indices()) expect(await store.check(index)).toBe(index !== 3);
  expect([...store.held]).toEqual([0, 1, 2, 4]);
  await expect(store.read(made.at(3))).rejects.toMatchObject({ code: "not_found" });
});

it("is not believed after a restart, and can be written anew", async () => {
  const made = await makeTorrent({ length: 40 * PIECE });
  const first = await folder.open(made, { sync: "piece" });
  await fill(first, made);
  rot(part(), 30 * PIECE);
  expect(await first.check(made.at(30))).toBe(false);
  await first.close();
  // The sample of the start would hash none of those that are left.
  const again = await folder.open(made, { random: () => 0 });
  expect(again.held.has(30)).toBe(false);
  await fill(again, made, [30]);
  expect(await again.check(made.at(30))).toBe(true);
  expect(again.held.complete).toBe(true);
});

it("that rots between its writing and its flush is not called durable by that flush", async () => {
  const made = await makeTorrent({ length: 2 * PIECE });
  const syncs: (() => void)[] = [];
  const disk = {
    ...nodeDisk,
    sync: (file: number) =>
      new Promise<void>((resolve, reject) => {
        syncs.push(() => void nodeDisk.sync(file).then(resolve, reject));
      }),
  };
  const opening = folder.open(made, { disk, sync: "batch" });
  await expect.poll(() => syncs.length).toBe(1);
  syncs.shift()!();
  const store = await opening;
  await fill(store, made);
  const closing = store.check(made.at(0));
  expect(await closing).toBe(true);
  rot(part(), 5);
  const checked = store.check(made.at(0));
  await expect.poll(() => syncs.length).toBe(1);
  await expect(store.read(made.at(0)), "while the journal is being told").rejects.toMatchObject({
    code: "data_loss",
  });
  store.write(made.at(0), 0, made.bytes(0));
  for (; syncs.length > 0; await new Promise(setImmediate)) syncs.shift()!();
  expect(await checked).toBe(false);
  const closed = store.close();
  const pump = setInterval(() => syncs.shift()?.(), 1);
  await closed;
  clearInterval(pump);
  expect([...(await folder.open(made)).held]).toEqual([1]);
});

it("needs no more room on the disk than it is told to need", async () => {
  const made = await makeTorrent({ length: 4 * PIECE });
  const disk = { ...nodeDisk, freeBytes: () => PIECE };
  await expect(folder.open(made, { disk })).rejects.toMatchObject({ noSpace: true });
  expect(await folder.open(made, { disk, neededBytes: PIECE })).toBeInstanceOf(FilePieceStore);
});

it("of a file that is served in place is found by a check", async () => {
  const made = await makeTorrent({ length: 3 * PIECE });
  const path = join(folder.path, "file.bin");
  const store = await folder.open(made);
  await fill(store, made);
  await store.finish();
  await store.close();
  const seed = await openInPlaceStore({ torrent: made.torrent, path });
  for (const index of made.geometry.indices()) expect(await seed.check(index)).toBe(true);
  rot(path, PIECE + 1);
  expect(await seed.check(made.at(1))).toBe(false);
  expect([...seed.held]).toEqual([0, 2]);
  seed.close();
});

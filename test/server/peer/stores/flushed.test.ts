import { truncateSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { storePaths } from "../../../../server/peer/stores/store-paths.ts";
import { FlushLedger } from "../../../support/disk/flush-ledger.ts";
import { makeTorrent } from "../../../support/swarms/made-torrent.ts";
import { fill, storeFolder } from "./store-folder.ts";

const files = ["a", "b/c", "d/e/f", "g"].map((path) => ({ path, length: 20_000 }));
const shapes = {
  "a file": { length: 60_000 },
  "a folder": { files, fileName: "folder" },
};

describe.each(Object.keys(shapes) as (keyof typeof shapes)[])("%s that is finished", (shape) => {
  const here = storeFolder();

  it.each(["piece", "batch"] as const)(
    "had all of it on the disk before it got its name, and its name too when that is said (sync %s)",
    async (sync) => {
      const made = await makeTorrent(shapes[shape]);
      const ledger = new FlushLedger();
      const store = await here.open(made, { disk: ledger.disk, sync });
      await fill(store, made);
      await store.finish();
      expect(ledger.early).toEqual([]);
      expect([...ledger.folders], "folders").toEqual([]);
    },
  );

  it("has on the disk too what an earlier run wrote and never flushed", async () => {
    const made = await makeTorrent(shapes[shape]);
    const ledger = new FlushLedger();
    const first = await here.open(made, { disk: ledger.disk, sync: "none" });
    await fill(first, made);
    await first.close();
    expect(ledger.files.size).toBeGreaterThan(0);
    const second = await here.open(made, { disk: ledger.disk });
    expect(second.held.complete).toBe(true);
    await second.finish();
    expect(ledger.early).toEqual([]);
    expect([...ledger.folders], "folders").toEqual([]);
  });
});

describe("a folder", () => {
  const here = storeFolder();

  it("is on the disk with all folders inside before a piece in it is called durable", async () => {
    const made = await makeTorrent(shapes["a folder"]);
    const ledger = new FlushLedger();
    const store = await here.open(made, { disk: ledger.disk, sync: "piece" });
    await fill(store, made, [3]);
    expect([...ledger.folders]).toEqual([]);
    await store.close();
    // As if the first run had been killed before it said so of them.
    ledger.folders.add(`${storePaths(`${here.path}/folder`, made.torrent.infoHash).part}/d`);
    await here.open(made, { disk: ledger.disk, sync: "piece" });
    expect([...ledger.folders]).toEqual([]);
  });
});

describe("a folder of which some files are wanted", () => {
  const here = storeFolder();

  it("has each of them on the disk before it has its place, and the places too when it is finished; so has the rest", async () => {
    const made = await makeTorrent(shapes["a folder"]);
    const ledger = new FlushLedger();
    const some = await here.open(made, { disk: ledger.disk, select: [1, 2] });
    // The pieces that they touch.
    await fill(some, made, [1, 2, 3]);
    await some.finish();
    expect(ledger.early).toEqual([]);
    expect([...ledger.folders], "folders").toEqual([]);
    await some.close();
    const all = await here.open(made, { disk: ledger.disk });
    await fill(all, made);
    await all.finish();
    expect(ledger.early).toEqual([]);
    expect([...ledger.folders], "folders").toEqual([]);
  });
});

describe("a durable piece that is not there after all", () => {
  const here = storeFolder();

  it("is called lost on the disk before its place may be written to", async () => {
    const made = await makeTorrent(shapes["a file"]);
    const first = await here.open(made);
    await fill(first, made);
    await first.close();
    truncateSync(storePaths(`${here.path}/file.bin`, made.torrent.infoHash).part, 30_000);
    const ledger = new FlushLedger();
    const second = await here.open(made, { disk: ledger.disk });
    expect([...second.held]).toEqual([0]);
    expect([...ledger.files]).toEqual([]);
  });
});

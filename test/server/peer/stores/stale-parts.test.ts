import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { findStaleParts, removeStalePart } from "../../../../server/peer/stores/stale-parts.ts";
import { makeTorrent } from "../../../support/swarms/made-torrent.ts";
import { fill, storeFolder } from "./store-folder.ts";

const PIECE = 16 << 10;

describe("what other downloads to a target have left", () => {
  const here = storeFolder();
  const stale = (fileName: string) => findStaleParts(join(here.path, fileName), "f".repeat(64));

  it.each(["file.bin", "ñ".repeat(120), "a[b](c)*.bin"])("is found for %s, and removed", async (fileName) => {
    const made = await makeTorrent({ length: 2 * PIECE, fileName });
    const store = await here.open(made);
    await fill(store, made, [0]);
    await store.close();
    const [found, ...more] = stale(fileName);
    expect(more).toEqual([]);
    expect(found!.allocatedBytes).toBeGreaterThanOrEqual(PIECE);
    expect(removeStalePart(found!)).toBe(true);
    expect(here.names()).toEqual([]);
  });

  it("is measured and removed with all files of a folder", async () => {
    const files = ["a", "b/c"].map((path) => ({ path, length: PIECE }));
    const made = await makeTorrent({ files, fileName: "folder" });
    const store = await here.open(made);
    await fill(store, made);
    await store.close();
    const [found] = stale("folder");
    expect(found!.allocatedBytes).toBeGreaterThanOrEqual(2 * PIECE);
    expect(removeStalePart(found!)).toBe(true);
    expect(here.names()).toEqual([]);
  });

  it("is none of the torrent's own, of another name, or of a download that runs", async () => {
    const made = await makeTorrent({ length: PIECE });
    const store = await here.open(made);
    expect(stale("file.bin")).toEqual([]);
    await store.close();
    const [found] = stale("file.bin");
    expect(findStaleParts(join(here.path, "file.bin"), made.torrent.infoHash)).toEqual([]);
    expect(stale("file")).toEqual([]);
    expect(stale("file.bin.0")).toEqual([]);
    await here.open(made);
    expect(removeStalePart(found!)).toBe(false);
    expect(existsSync(found!.part)).toBe(true);
  });

  it("is nothing in a folder that is not there", async () => {
    expect(findStaleParts(join(here.path, "no/file.bin"), "f".repeat(64))).toEqual([]);
    await mkdir(join(here.path, ".file.bin.zzzzzzzz.part"));
    await writeFile(join(here.path, ".file.bin.00000000.partly"), "");
    expect(stale("file.bin")).toEqual([]);
  });
});

import { execFileSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { lstat, mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { nodeDisk } from "../../../../server/peer/stores/disk.ts";
import { type MadeTorrent, makeTorrent } from "../../../support/swarms/made-torrent.ts";
import { fill, storeFolder } from "./store-folder.ts";

const PIECE = 16 << 10;
const files = [
  { path: "a.bin", length: PIECE + 10 },
  { path: "b/c.bin", length: 2 * PIECE },
  { path: "d.bin", length: 90 },
];

describe("a folder that is replaced", () => {
  const here = storeFolder();
  const at = (path: string) => join(here.path, "folder", path);
  const make = () => makeTorrent({ files, fileName: "folder" });

  async function foreign(contents: Record<string, string>): Promise<void> {
    for (const [path, text] of Object.entries(contents)) {
      await mkdir(join(at(path), ".."), { recursive: true });
      await writeFile(at(path), text);
    }
  }

  async function expectWhole({ whole }: MadeTorrent): Promise<void> {
    let start = 0;
    for (const { path, length } of files) {
      expect(Buffer.compare(await readFile(at(path)), whole.subarray(start, start + length))).toBe(0);
      start += length;
    }
  }

  it("loses only the files that the torrent has: a person's own files stay", async () => {
    const made = await make();
    await foreign({ "mine.txt": "mine", "b/mine.txt": "mine too", "a.bin": "old", "e/f/g": "deep" });
    const store = await here.open(made, { replace: true });
    await fill(store, made);
    await store.finish();
    await store.close();
    await expectWhole(made);
    expect(readdirSync(at(".")).sort()).toEqual(["a.bin", "b", "d.bin", "e", "mine.txt"]);
    expect(await readFile(at("mine.txt"), "utf8")).toBe("mine");
    expect(await readFile(at("b/mine.txt"), "utf8")).toBe("mine too");
    expect(await readFile(at("e/f/g"), "utf8")).toBe("deep");
    expect(here.names()).toEqual(["folder"]);
  });

  it("keeps its old files until all new ones are there", async () => {
    const made = await make();
    await foreign({ "a.bin": "old" });
    const store = await here.open(made, { replace: true });
    await fill(store, made, [0, 1]);
    await store.close();
    expect(await readFile(at("a.bin"), "utf8")).toBe("old");
  });

  it("goes on where it was cut off between two of its files", async () => {
    const made = await make();
    await foreign({ "a.bin": "old", "d.bin": "old too" });
    let renames = 0;
    const rename = (from: string, to: string) => {
      if (++renames === 2) throw new Error("cut off");
      nodeDisk.rename(from, to);
    };
    const store = await here.open(made, { replace: true, disk: { ...nodeDisk, rename } });
    await fill(store, made);
    await expect(store.finish()).rejects.toThrow("cut off");
    await store.close();
    const again = await here.open(made, { replace: true });
    expect(again.held.complete).toBe(true);
    await again.finish();
    await again.close();
    await expectWhole(made);
    expect(here.names()).toEqual(["folder"]);
  });

  it("may have a link where the torrent has a file: the link goes, and what it names stays", async () => {
    const made = await make();
    await foreign({ "mine.txt": "mine" });
    await symlink("mine.txt", at("a.bin"));
    const store = await here.open(made, { replace: true });
    await fill(store, made);
    await store.finish();
    await expectWhole(made);
    expect(await readFile(at("mine.txt"), "utf8")).toBe("mine");
  });

  it("is refused before anything is downloaded if a folder is where a file should be, or the reverse", async () => {
    const made = await make();
    await foreign({ "a.bin/mine.txt": "mine" });
    await expect(here.open(made, { replace: true })).rejects.toThrow(/^folder\/a.bin is a folder/);
    expect(await readFile(at("a.bin/mine.txt"), "utf8")).toBe("mine");
    await rm(at("a.bin"), { recursive: true });
    await foreign({ b: "a file" });
    await expect(here.open(made, { replace: true })).rejects.toThrow(/^folder\/b is a file/);
    expect(here.names()).toEqual(["folder"]);
  });

  it("is refused if it is a file itself, and a file is if it is a folder", async () => {
    await writeFile(at("."), "mine");
    await expect(here.open(await make(), { replace: true })).rejects.toThrow(/^folder is a file/);
    expect(await readFile(at("."), "utf8")).toBe("mine");
    const file = await makeTorrent({ length: 10 });
    await mkdir(join(here.path, "file.bin"));
    await expect(here.open(file, { replace: true })).rejects.toThrow(/^file.bin is a folder/);
  });
});

describe("a folder with names that Windows cannot write", () => {
  const here = storeFolder();
  const names = [
    { path: "12:30.txt", length: 9 },
    { path: "aux.c", length: 9 },
    { path: "b", length: 9 },
  ];

  it("is downloaded elsewhere as it is, and on Windows without these files", async () => {
    const made = await makeTorrent({ files: names, fileName: "folder" });
    await expect(here.open(made, { onWindows: true })).rejects.toThrow(
      "Windows cannot write 12:30.txt, whose name contains :; select the other files",
    );
    expect(here.names()).toEqual([]);
    const some = await here.open(made, { onWindows: true, select: [2] });
    await some.close();
    const store = await here.open(made, { onWindows: false });
    await fill(store, made);
    await store.finish();
    expect(readdirSync(join(here.path, "folder")).sort()).toEqual(["12:30.txt", "aux.c", "b"]);
  });
});

describe("what is no regular file", () => {
  const here = storeFolder();

  it("is never replaced, whatever it is", async () => {
    const made = await makeTorrent({ length: 10, fileName: "fifo" });
    const path = join(here.path, "fifo");
    execFileSync("mkfifo", [path]);
    for (const replace of [false, true]) {
      await expect(here.open(made, { replace })).rejects.toThrow(/^fifo is a device, a FIFO or a socket/);
    }
    expect((await lstat(path)).isFIFO()).toBe(true);
    expect(here.names()).toEqual(["fifo"]);
  });

  it("is not replaced either if it comes during the download", async () => {
    const made = await makeTorrent({ length: 10, fileName: "fifo" });
    const folder = await makeTorrent({ files, fileName: "folder" });
    await mkdir(join(here.path, "folder"));
    const stores = [await here.open(made, { replace: true }), await here.open(folder, { replace: true })];
    await fill(stores[0]!, made);
    await fill(stores[1]!, folder);
    for (const path of ["fifo", "folder/d.bin"]) execFileSync("mkfifo", [join(here.path, path)]);
    for (const store of stores)
      await expect(store.finish()).rejects.toMatchObject({ code: "already_exists" });
    for (const path of ["fifo", "folder/d.bin"])
      expect((await lstat(join(here.path, path))).isFIFO()).toBe(true);
    expect(existsSync(join(here.path, "folder/a.bin"))).toBe(true);
  });
});

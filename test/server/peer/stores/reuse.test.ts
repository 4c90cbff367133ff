import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { mkdir, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type MadeTorrent, makeTorrent } from "../../../support/swarms/made-torrent.ts";
import { fill, storeFolder } from "./store-folder.ts";

const PIECE = 16 << 10;

/** The bytes with one of each of these pieces changed. */
function changed({ whole }: MadeTorrent, ...pieces: number[]): Buffer {
  const bytes = Buffer.from(whole);
  for (const piece of pieces) bytes[piece * PIECE + 5]! ^= 1;
  return bytes;
}

describe("pieces of a file that are here already", () => {
  const here = storeFolder();
  const at = (name: string) => join(here.path, name);
  const make = () => makeTorrent({ length: 5 * PIECE + 7 });
  const working = (suffix: string) => at(here.names().find((name) => name.endsWith(suffix))!);

  async function finished(made: MadeTorrent, store: Awaited<ReturnType<typeof here.open>>): Promise<void> {
    await fill(store, made);
    await store.finish();
    await store.close();
    expect(Buffer.compare(await readFile(at("file.bin")), made.whole)).toBe(0);
  }

  it("are taken from another version that is replaced", async () => {
    const made = await make();
    await writeFile(at("file.bin"), changed(made, 2));
    const store = await here.open(made, { replace: true });
    expect([...store.held]).toEqual([0, 1, 3, 4, 5]);
    expect(store.reusedBytes).toBe(4 * PIECE + 7);
    await finished(made, store);
    expect(here.names()).toEqual(["file.bin"]);
  });

  it("are taken from a target that is only partly there", async () => {
    const made = await make();
    await writeFile(at("file.bin"), made.whole.subarray(0, 2 * PIECE + 9));
    const store = await here.open(made, { replace: true });
    expect([...store.held]).toEqual([0, 1]);
    await finished(made, store);
  });

  it("are taken from a working file whose journal is lost", async () => {
    const made = await make();
    const first = await here.open(made);
    await fill(first, made, [1, 4]);
    await first.close();
    await rm(working(".journal"));
    const store = await here.open(made);
    expect([...store.held]).toEqual([1, 4]);
    await finished(made, store);
  });

  it("are taken from files that the caller names, and these stay as they are", async () => {
    const made = await make();
    await writeFile(at("old.bin"), changed(made, 0, 4));
    await writeFile(at("older.bin"), changed(made, 1, 2, 3, 4));
    await symlink("older.bin", at("link.bin"));
    execFileSync("mkfifo", [at("fifo")]);
    const names = ["fifo", "old.bin", "gone.bin", "link.bin"];
    const store = await here.open(made, { reuse: names.map(at) });
    expect([...store.held]).toEqual([0, 1, 2, 3, 5]);
    await finished(made, store);
    expect(Buffer.compare(await readFile(at("older.bin")), changed(made, 1, 2, 3, 4))).toBe(0);
  });

  it("are taken too when an earlier run has begun, and are there for the next one", async () => {
    const made = await make();
    const first = await here.open(made);
    await fill(first, made, [0]);
    await first.close();
    await writeFile(at("old.bin"), changed(made, 0, 4));
    const second = await here.open(made, { reuse: [at("old.bin")] });
    expect([...second.held]).toEqual([0, 1, 2, 3, 5]);
    expect(second.reusedBytes).toBe(3 * PIECE + 7);
    await second.close();
    await rm(at("old.bin"));
    const third = await here.open(made);
    expect([...third.held]).toEqual([0, 1, 2, 3, 5]);
    expect(third.reusedBytes).toBe(0);
  });

  it("make a target whole that has all of them, whatever an earlier run has left", async () => {
    const made = await make();
    const first = await here.open(made);
    await fill(first, made, [0]);
    await first.close();
    await writeFile(at("file.bin"), made.whole);
    const store = await here.open(made);
    expect(store.held.complete).toBe(true);
    await store.finish();
    await store.close();
    expect(here.names()).toEqual(["file.bin"]);
  });

  it("are looked for until the caller stops that", async () => {
    const made = await make();
    await writeFile(at("old.bin"), made.whole);
    const stop = new AbortController();
    let checked = 0;
    const onChecked = (bytes: number) => {
      checked += bytes;
      if (checked >= 2 * PIECE) stop.abort(new Error("enough"));
    };
    const opening = here.open(made, { reuse: [at("old.bin")], onChecked, signal: stop.signal });
    await expect(opening).rejects.toThrow("enough");
    expect(checked).toBe(2 * PIECE);
    const store = await here.open(made);
    expect([...store.held]).toEqual([0, 1]);
  });
});

describe("pieces of a folder that are here already", () => {
  const here = storeFolder();
  const files = [
    { path: "a.bin", length: 3 * PIECE + 10 },
    { path: "b/c.bin", length: PIECE },
    { path: "b/d.bin", length: 2 * PIECE },
    { path: "empty", length: 0 },
  ];
  const at = (path: string) => join(here.path, "folder", path);
  const make = () => makeTorrent({ files, fileName: "folder" });

  async function write(made: MadeTorrent, root: string, whole: Uint8Array = made.whole): Promise<void> {
    let start = 0;
    for (const { path, length } of files) {
      await mkdir(join(root, path, ".."), { recursive: true });
      await writeFile(join(root, path), whole.subarray(start, start + length));
      start += length;
    }
  }

  async function finished(made: MadeTorrent, store: Awaited<ReturnType<typeof here.open>>): Promise<void> {
    await fill(store, made);
    await store.finish();
    await store.close();
    expect((await here.open(made)).held.complete).toBe(true);
  }

  it("are taken from another version, and its unchanged files are not even moved", async () => {
    const made = await make();
    await write(made, at("."), changed(made, 1));
    await writeFile(at("mine.txt"), "mine");
    const before = await stat(at("b/d.bin"));
    const store = await here.open(made, { replace: true });
    expect([...store.held]).toEqual([0, 2, 3, 4, 5, 6]);
    const part = join(here.path, here.names().find((name) => name.endsWith(".part"))!);
    expect(readdirSync(part)).toEqual(["a.bin"]);
    await finished(made, store);
    expect((await stat(at("b/d.bin"))).ino).toBe(before.ino);
    expect(await readFile(at("mine.txt"), "utf8")).toBe("mine");
  });

  it("are taken from what was left of a folder, and go on after a run that was cut off", async () => {
    const made = await make();
    await write(made, at("."));
    await rm(at("a.bin"));
    const first = await here.open(made, { replace: true });
    expect([...first.held]).toEqual([4, 5, 6]);
    await first.close();
    const second = await here.open(made, { replace: true });
    expect([...second.held]).toEqual([4, 5, 6]);
    await finished(made, second);
  });

  it("are taken from a working folder whose journal is lost", async () => {
    const made = await make();
    const first = await here.open(made);
    await fill(first, made, [0, 3, 5]);
    await first.close();
    await rm(join(here.path, here.names().find((name) => name.endsWith(".journal"))!));
    const store = await here.open(made);
    expect([...store.held]).toEqual([0, 3, 5]);
    await finished(made, store);
  });

  it("are taken from a folder that the caller names, of which files are missing", async () => {
    const made = await make();
    await write(made, at("."));
    await rename(at("."), join(here.path, "old"));
    await rm(join(here.path, "old/b/c.bin"));
    const store = await here.open(made, { reuse: [join(here.path, "old")] });
    expect([...store.held]).toEqual([0, 1, 2, 5, 6]);
    await finished(made, store);
  });

  it("are only those of the selected files", async () => {
    const made = await make();
    await write(made, join(here.path, "old"));
    const store = await here.open(made, { reuse: [join(here.path, "old")], select: [1] });
    expect([...store.held]).toEqual([3, 4]);
    await store.finish();
    expect(readdirSync(at("."))).toEqual(["b"]);
    expect(readdirSync(at("b"))).toEqual(["c.bin"]);
  });
});

import { existsSync, readdirSync } from "node:fs";
import { link, mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { piecesOfFiles } from "#core/torrent/selection.ts";
import { type MadeTorrent, makeTorrent } from "../../../support/swarms/made-torrent.ts";
import { fill, storeFolder } from "./store-folder.ts";

const PIECE = 16 << 10;
const files = [
  { path: "a.bin", length: PIECE + 10 },
  { path: "b/c.bin", length: 3 * PIECE },
  { path: "b/empty.bin", length: 0 },
  { path: "d.bin", length: PIECE },
];

describe("a store of some files of a folder", () => {
  const here = storeFolder();
  const make = () => makeTorrent({ files, fileName: "folder" });
  const at = (path: string) => join(here.path, "folder", path);
  const working = () => here.names().filter((name) => name.startsWith("."));
  const fillOnly = (store: Awaited<ReturnType<typeof here.open>>, made: MadeTorrent, select: number[]) =>
    fill(store, made, [...piecesOfFiles(files, select, made.geometry)]);

  function bytesOf(made: MadeTorrent, file: number): Uint8Array {
    const start = files.slice(0, file).reduce((sum, { length }) => sum + length, 0);
    return made.whole.slice(start, start + files[file]!.length);
  }

  /** A folder whose second and third file have been got. */
  async function half(select = [1, 2]) {
    const made = await make();
    const store = await here.open(made, { select });
    await fillOnly(store, made, select);
    await store.finish();
    await store.close();
    return made;
  }

  it("gives these their places, whole, and keeps the others out of sight", async () => {
    const made = await half();
    expect(readdirSync(at(".")).sort()).toEqual(["b"]);
    expect(readdirSync(at("b")).sort()).toEqual(["c.bin", "empty.bin"]);
    expect(Buffer.compare(await readFile(at("b/c.bin")), bytesOf(made, 1))).toBe(0);
    expect(working().length).toBeGreaterThanOrEqual(2);
  });

  it("refuses while a piece that they touch is missing", async () => {
    const made = await make();
    const store = await here.open(made, { select: [1] });
    await fill(store, made, [1, 2, 3]);
    await expect(store.finish()).rejects.toMatchObject({ code: "failed_precondition" });
    expect(existsSync(at("."))).toBe(false);
  });

  it("goes on with the rest later, and with nothing that it has already", async () => {
    const made = await half();
    const before = await stat(at("b/c.bin"));
    const store = await here.open(made);
    expect([...store.held]).toEqual([...piecesOfFiles(files, [1], made.geometry)]);
    await fill(store, made);
    await store.finish();
    await store.close();
    expect(here.names()).toEqual(["folder"]);
    for (const [n, { path }] of files.entries()) {
      expect(Buffer.compare(await readFile(at(path)), bytesOf(made, n))).toBe(0);
    }
    expect((await stat(at("b/c.bin"))).ino).toBe(before.ino);
    const again = await here.open(made);
    expect(again.held.complete).toBe(true);
  });

  it("goes on with some more of them, and does the same again for what is there", async () => {
    const made = await half([3]);
    for (const select of [[0], [3, 0], [1]]) {
      const store = await here.open(made, { select });
      await fillOnly(store, made, select);
      await store.finish();
      await store.close();
    }
    expect(readdirSync(at(".")).sort()).toEqual(["a.bin", "b", "d.bin"]);
    for (const n of [0, 1, 3])
      expect(Buffer.compare(await readFile(at(files[n]!.path)), bytesOf(made, n))).toBe(0);
  });

  it("reads what is in its place already", async () => {
    const made = await half();
    const store = await here.open(made);
    expect(Buffer.compare(await store.read(made.at(2)), made.bytes(2))).toBe(0);
  });

  it("never writes to a file in its place that its owner has changed, and says which it is", async () => {
    const made = await half();
    await writeFile(at("b/c.bin"), Buffer.alloc(3 * PIECE, 7));
    await expect(here.open(made)).rejects.toMatchObject({
      code: "already_exists",
      message: "folder/b/c.bin is there and has other bytes",
    });
    const store = await here.open(made, { replace: true });
    await fill(store, made);
    expect((await readFile(at("b/c.bin")))[0]).toBe(7);
    await store.finish();
    expect(Buffer.compare(await readFile(at("b/c.bin")), bytesOf(made, 1))).toBe(0);
  });

  it("gets a file again that its owner has deleted", async () => {
    const made = await half();
    await rm(at("b/c.bin"));
    const store = await here.open(made, { select: [1] });
    expect([...store.held]).not.toContain(2);
    await fillOnly(store, made, [1]);
    await store.finish();
    expect(Buffer.compare(await readFile(at("b/c.bin")), bytesOf(made, 1))).toBe(0);
  });

  it("does not take somebody else's folder or file for its own", async () => {
    const made = await make();
    const store = await here.open(made, { select: [3] });
    await fillOnly(store, made, [3]);
    await mkdir(at("."));
    await expect(store.finish()).rejects.toMatchObject({ code: "already_exists" });
    await rm(at("."), { recursive: true });
    await store.finish();
    await store.close();
    await writeFile(at("a.bin"), "mine");
    const more = await here.open(made, { select: [0] });
    await fillOnly(more, made, [0]);
    await expect(more.finish()).rejects.toMatchObject({ message: "folder/a.bin exists already" });
    expect(await readFile(at("a.bin"), "utf8")).toBe("mine");
  });

  it("goes on where it was cut off between giving a file its place and taking away the working one", async () => {
    const made = await make();
    const store = await here.open(made, { select: [1, 3] });
    await fillOnly(store, made, [1, 3]);
    await store.close();
    const part = working().find((name) => name.endsWith(".part"))!;
    await mkdir(at("b"), { recursive: true });
    await link(join(here.path, part, "b/c.bin"), at("b/c.bin"));
    await rm(join(here.path, part, "d.bin"));
    await writeFile(at("d.bin"), bytesOf(made, 3));
    const again = await here.open(made, { select: [1, 3] });
    await again.finish();
    expect(Buffer.compare(await readFile(at("b/c.bin")), bytesOf(made, 1))).toBe(0);
    expect(existsSync(join(here.path, part, "b/c.bin"))).toBe(false);
  });

  it("gives only these their places where their pieces are all there are, and the others later from what it has", async () => {
    const made = await makeTorrent({ files, fileName: "folder", pieceLength: 1 << 20 });
    expect(made.geometry.count).toBe(1);
    const store = await here.open(made, { select: [1, 2] });
    await fill(store, made);
    await store.finish();
    await store.close();
    expect(readdirSync(at(".")).sort()).toEqual(["b"]);
    expect(readdirSync(at("b")).sort()).toEqual(["c.bin", "empty.bin"]);
    const again = await here.open(made, { select: [1, 2] });
    expect(again.held.complete).toBe(true);
    await again.finish();
    await again.close();
    expect(readdirSync(at(".")).sort()).toEqual(["b"]);
    const rest = await here.open(made);
    expect(rest.held.complete).toBe(true);
    await rest.finish();
    await rest.close();
    expect(here.names()).toEqual(["folder"]);
    for (const [n, { path }] of files.entries())
      expect(Buffer.compare(await readFile(at(path)), bytesOf(made, n))).toBe(0);
  });

  it("leaves nothing behind when the last of them are selected", async () => {
    const made = await half();
    const store = await here.open(made, { select: [0, 3] });
    await fillOnly(store, made, [0, 3]);
    await store.finish();
    await store.close();
    expect(here.names()).toEqual(["folder"]);
  });

  it("makes no working files that the selected ones do not need, and later the others without hashing all again", async () => {
    const made = await make();
    const store = await here.open(made, { select: [3] });
    const part = join(here.path, working().find((name) => name.endsWith(".part"))!);
    expect(readdirSync(part).sort()).toEqual(["b", "d.bin"]);
    expect(readdirSync(join(part, "b"))).toEqual(["c.bin"]);
    await fillOnly(store, made, [3]);
    await store.finish();
    await store.close();
    let hashed = 0;
    const onChecked = () => hashed++;
    const all = await here.open(made, { onChecked });
    expect(hashed).toBeLessThanOrEqual(2 * all.held.count);
    await fill(all, made);
    await all.finish();
    expect(here.names()).toEqual(["folder"]);
    for (const [n, { path }] of files.entries())
      expect(Buffer.compare(await readFile(at(path)), bytesOf(made, n))).toBe(0);
  });

  it("is not disturbed by a person's own file where a file is that was not selected", async () => {
    const made = await half([3]);
    await writeFile(at("a.bin"), Buffer.alloc(PIECE + 10, 7));
    const store = await here.open(made, { select: [3] });
    await store.finish();
    await store.close();
    await expect(here.open(made)).rejects.toMatchObject({ code: "already_exists" });
    expect((await readFile(at("a.bin")))[0]).toBe(7);
  });
});

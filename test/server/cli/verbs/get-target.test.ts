import { execFileSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { copyFile, lstat, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { storePaths } from "../../../../server/peer/stores/store-paths.ts";
import { pieza, type RunOptions } from "../../../support/processes/pieza.ts";
import {
  LocalSwarm,
  readTorrentJson,
  sha256sum,
  writeRandomFile,
} from "../../../support/swarms/local-swarm.ts";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

/** `disk.iso` and `notes`, a folder whose files are one piece, are published and served. */
let swarm: LocalSwarm;
let folders = 0;

beforeAll(async () => {
  swarm = await LocalSwarm.start();
  await writeRandomFile(swarm.path("disk.iso"), 640_000);
  await mkdir(swarm.path("notes/b"), { recursive: true });
  for (const path of ["a.txt", "b/c.txt", "d.txt"]) await writeRandomFile(swarm.path(`notes/${path}`), 3_000);
  for (const name of ["disk.iso", "notes"]) {
    await swarm.publish(name, ...(name === "disk.iso" ? ["--piece-length", "64KiB"] : []));
    await swarm.peer(`seeder-${name}`, name);
  }
});
afterAll(() => swarm.stop());

async function workplace() {
  const cwd = swarm.path(`work-${++folders}`);
  await mkdir(cwd);
  const env = { PIEZA_CATALOG: swarm.catalogUrl, PIEZA_DATA: `${cwd}-data`, PIEZA_GIVE_UP_AFTER: "30s" };
  const run = (args: string, options: RunOptions = {}) =>
    pieza(args.split(" "), { cwd, timeoutMs: 100_000, ...options, env: { ...env, ...options.env } });
  return { cwd, at: (path: string) => join(cwd, path), run };
}

/** The file with one byte changed in its first of ten pieces. */
async function changedDisk(): Promise<Buffer> {
  const bytes = await readFile(swarm.path("disk.iso"));
  bytes[100]! ^= 1;
  return bytes;
}

const same = async (path: string, original: string) =>
  expect(await sha256sum(path)).toBe(await sha256sum(swarm.path(original)));

describe("get to a place where something is already", () => {
  it("replaces a folder's own files only", async () => {
    const { at, run } = await workplace();
    await mkdir(at("notes"));
    await writeFile(at("notes/mine.txt"), "mine");
    await writeFile(at("notes/a.txt"), "old");
    expect(await run("get notes")).toMatchObject({ code: 2 });
    expect(await run("get notes --replace")).toMatchObject({ code: 0 });
    expect(await readFile(at("notes/mine.txt"), "utf8")).toBe("mine");
    for (const path of ["a.txt", "b/c.txt", "d.txt"]) await same(at(`notes/${path}`), `notes/${path}`);
  });

  it("does the same again for a finished file, in the same folder by its name", async () => {
    const { cwd, run } = await workplace();
    expect(await run("get disk.iso")).toMatchObject({ code: 0 });
    const again = await run("get disk.iso --json");
    expect(again.code).toBe(0);
    expect(again.events.at(-1)).toMatchObject({ event: "done", file: "disk.iso", downloaded_bytes: 0 });
    expect(readdirSync(cwd)).toEqual(["disk.iso"]);
  });

  it("says of another file of the name that it is no torrent, and what the catalog says", async () => {
    const { at, run } = await workplace();
    await writeFile(at("mine.txt"), "mine");
    const { code, stderr } = await run("get mine.txt");
    expect(code).toBe(2);
    expect(stderr).toMatch(/the file mine.txt is not a torrent, and .* the catalog has no torrent/);
  });

  it("writes through a device, and never replaces it", async () => {
    const { cwd, at, run } = await workplace();
    for (const flags of ["", " --replace"]) {
      expect(await run(`get disk.iso -o /dev/null${flags}`)).toMatchObject({ code: 0 });
      expect((await lstat("/dev/null")).isCharacterDevice()).toBe(true);
    }
    expect(await run("get disk.iso -o /dev/full")).toMatchObject({
      code: 6,
      stderr: expect.stringContaining("no space is left"),
    });
    expect((await run("get notes -o /dev/null")).stderr).toContain("/dev/null takes no folder");
    execFileSync("mkfifo", [at("fifo")]);
    const { code, stderr } = await run("get disk.iso -o fifo --replace");
    expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining("fifo is a FIFO") });
    expect(readdirSync(cwd)).toEqual(["fifo"]);
  });

  it("brings the one selected file where all files are one piece", async () => {
    const { at, run } = await workplace();
    expect(await run("get notes --select a.txt")).toMatchObject({ code: 0 });
    expect(readdirSync(at("notes"))).toEqual(["a.txt"]);
  });
});

describe("get refuses before the download", () => {
  it.each([
    ["a folder that is not there yet, for a file", "get disk.iso -o new/", /new\/ names a folder; use -d/],
    ["the current folder", "get disk.iso -o .", /\. names a folder; use -d/],
    ["the current folder, for a folder", "get notes -o .", /\. is no name for notes; use -d/],
    ["a place and a folder", "get disk.iso -d there -o x", /exclude each other; say -o there\/x/],
    ["a place in no folder", "get disk.iso -o no/x", /no is not a folder/],
    ["a place in a file", "get disk.iso -o file/x", /file is not a folder/],
    ["a folder that is a file", "get disk.iso -d file", /--dir: file is not a folder/],
    ["an older version that is not there", "get disk.iso --reuse no", /--reuse: no does not exist/],
  ])("%s", async (_what, args, message) => {
    const { cwd, at, run } = await workplace();
    await writeFile(at("file"), "mine");
    const { code, stderr } = await run(args);
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
    expect(readdirSync(cwd)).toEqual(["file"]);
  });

  it("nothing else: a folder may end in a slash, and -o overrides the variable of -d", async () => {
    const { cwd, at, run } = await workplace();
    expect(await run("get notes -o new/")).toMatchObject({ code: 0 });
    await same(at("new/a.txt"), "notes/a.txt");
    expect(await run("get disk.iso -o x", { env: { PIEZA_DIR: "other" } })).toMatchObject({ code: 0 });
    expect(readdirSync(cwd).sort()).toEqual(["new", "x"]);
  });
});

describe("get takes what is here already", () => {
  it("from the version that it replaces", async () => {
    const { at, run } = await workplace();
    await writeFile(at("disk.iso"), await changedDisk());
    const { code, events } = await run("get disk.iso --replace --json");
    expect(code).toBe(0);
    expect(events.at(-1)).toMatchObject({ downloaded_bytes: 65_536, reused_bytes: 640_000 - 65_536 });
    await same(at("disk.iso"), "disk.iso");
  });

  it("from files and folders that are named", async () => {
    const { cwd, at, run } = await workplace();
    await mkdir(at("old"));
    await writeFile(at("old/disk.iso"), await changedDisk());
    await writeFile(at("old/other"), "other");
    for (const path of ["old", "old/disk.iso"]) {
      const { events } = await run(`get disk.iso --reuse old/other --reuse ${path} --json`);
      expect(events.at(-1)).toMatchObject({ event: "done", downloaded_bytes: 65_536 });
      await rm(at("disk.iso"));
    }
    await mkdir(at("notes/b"), { recursive: true });
    for (const path of ["a.txt", "b/c.txt", "d.txt"])
      await copyFile(swarm.path(`notes/${path}`), at(`notes/${path}`));
    const folder = await run(`get notes -o copy --reuse ${cwd}`);
    expect(folder).toMatchObject({ code: 0, stdout: expect.stringContaining("8.8 KiB reused") });
    const wrongKind = await run("get notes -o copy2 --reuse old/other");
    expect(wrongKind.stderr).toContain("--reuse: old/other has no folder notes");
  });

  it("from what another version's download has left, says so, and removes it when asked to", async () => {
    const { cwd, at, run } = await workplace();
    await writeFile(at("old.iso"), await changedDisk());
    await run("create old.iso --piece-length 64KiB -o old.json");
    const { info_hash } = (await run("info old.json --json")).events[0]!;
    const { part, journal } = storePaths("disk.iso", String(info_hash));
    await copyFile(at("old.iso"), at(part));
    await writeFile(at(journal), "");
    const first = await run("get disk.iso --json");
    expect(first.events.find(({ event }) => event === "warning")?.message).toMatch(
      /^\.disk\.iso\.[0-9a-f]{8}\.part \(.*\) is left .*--remove-stale removes it$/,
    );
    expect(first.events.at(-1)).toMatchObject({ event: "done", downloaded_bytes: 65_536 });
    expect(existsSync(at(part))).toBe(true);
    const second = await run("get disk.iso --remove-stale");
    expect(second).toMatchObject({ code: 0, stderr: expect.stringMatching(/^Removed \.disk\.iso/m) });
    expect(readdirSync(cwd).sort()).toEqual(["disk.iso", "old.iso", "old.json"]);
  });
});

it("the torrents of this test have the pieces that it counts on", async () => {
  expect((await readTorrentJson(swarm.path("disk.iso.json"))).pieces).toHaveLength(10);
  expect((await readTorrentJson(swarm.path("notes.json"))).pieces).toHaveLength(1);
});

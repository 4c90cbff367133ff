import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseTorrentText, torrentText } from "#core/torrent/torrent-json.ts";
import { nodeHasher } from "../../../server/base/node-hasher.ts";
import type { BadFile } from "../../../server/catalog/directory-index.ts";
import { TorrentDirectory } from "../../../server/catalog/torrent-directory.ts";
import { readStampedTorrent, stampAt } from "../../../server/catalog/torrent-file.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { legacyTorrent } from "./legacy-torrent.ts";

let directory: string;
let bad: BadFile[];
let clock: FakeClock;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "pieza-catalog-"));
  clock = new FakeClock();
  bad = [];
});
afterEach(() => rm(directory, { recursive: true }));

const opened = () => TorrentDirectory.open({ directory, clock, onBadFile: (file) => bad.push(file) });
const at = (file: string) => join(directory, file);
const put = async (file: string, ...of: Parameters<typeof legacyTorrent>) =>
  writeFile(at(file), torrentText(await legacyTorrent(...of)));
const names = async (torrents: TorrentDirectory, search = "") =>
  (await torrents.list({ search })).torrents.map(({ name }) => name);

describe("a directory of torrents", () => {
  it("is made, whatever its depth, and starts empty", async () => {
    directory = join(directory, "a/b/c");
    const torrents = await opened();
    expect(await torrents.list({})).toEqual({ torrents: [], nextPageToken: "", totalSize: 0 });
    directory = join(directory, "../../..");
  });

  it("keeps a torrent under its file name, as a file that reads back the same", async () => {
    const torrents = await opened();
    const torrent = await legacyTorrent("canción 100% #1?.ogg");
    expect(await torrents.publish(torrent)).toEqual({ name: torrent.fileName, changed: true });
    expect(await readdir(directory)).toEqual([`${torrent.fileName}.json`]);
    const text = await readFile(at(`${torrent.fileName}.json`), "utf8");
    expect(await parseTorrentText(text, nodeHasher)).toEqual(torrent);
    expect((await (await opened()).get({ name: torrent.fileName })).torrent).toEqual(torrent);
  });

  it("finds a torrent by name, with and without .json, in other case and normal form, and by info hash", async () => {
    const torrents = await opened();
    const torrent = await legacyTorrent("cafe\u0301");
    await torrents.publish(torrent);
    for (const name of ["cafe\u0301", "caf\u00e9", "CAFÉ", "cafe\u0301.json"])
      expect(await torrents.get({ name })).toEqual({ name: "cafe\u0301", torrent });
    expect((await torrents.get({ infoHash: torrent.infoHash.toUpperCase() })).torrent).toEqual(torrent);
  });

  it("keeps a torrent whose name begins with a dot, also at the next start", async () => {
    const torrents = await opened();
    const torrent = await legacyTorrent(".env.example");
    await torrents.publish(torrent);
    // A scan of the whole directory.
    await put("other.json", "other");
    await clock.tick(2_000);
    for (const catalog of [torrents, await opened()]) {
      expect(await names(catalog)).toEqual([".env.example", "other"]);
      expect(await catalog.get({ name: ".env.example" })).toEqual({ name: ".env.example", torrent });
    }
    await torrents.delete(".env.example");
    expect(await readdir(directory)).toEqual(["other.json"]);
  });

  it("takes the exact name first where one ends in .json", async () => {
    const torrents = await opened();
    await torrents.publish(await legacyTorrent("data", "1"));
    await torrents.publish(await legacyTorrent("data.json", "2"));
    expect((await torrents.get({ name: "data.json" })).torrent.fileName).toBe("data.json");
    expect((await torrents.get({ name: "data" })).torrent.fileName).toBe("data");
  });

  it("keeps two torrents of one file name apart", async () => {
    const torrents = await opened();
    const [one, two] = [await legacyTorrent("file", "1"), await legacyTorrent("file", "2")];
    await torrents.publish(one, { name: "one" });
    await torrents.publish(two, { name: "two" });
    expect((await torrents.get({ name: "one" })).torrent).toEqual(one);
    expect((await torrents.get({ infoHash: two.infoHash })).torrent).toEqual(two);
  });

  it("refuses another torrent for a taken name, unless asked to replace", async () => {
    const torrents = await opened();
    const [one, two] = [await legacyTorrent("file", "1"), await legacyTorrent("file", "2")];
    await torrents.publish(one);
    await expect(torrents.publish(two)).rejects.toMatchObject({ code: "already_exists" });
    await expect(torrents.publish(two, { name: "FILE" })).rejects.toMatchObject({ code: "already_exists" });
    expect((await torrents.get({ name: "file" })).torrent).toEqual(one);
    expect(await torrents.publish(two, { replace: true })).toEqual({ name: "file", changed: true });
    expect((await torrents.get({ name: "file" })).torrent).toEqual(two);
    await expect(torrents.get({ infoHash: one.infoHash })).rejects.toMatchObject({ code: "not_found" });
  });

  it("takes the same torrent again, with what is said of it now", async () => {
    const torrents = await opened();
    await torrents.publish(await legacyTorrent("file"));
    const again = await legacyTorrent("file", "a", { comment: "new" });
    expect(await torrents.publish(again)).toEqual({ name: "file", changed: false });
    expect((await torrents.get({ name: "file" })).torrent.comment).toBe("new");
  });

  it("lets a torrent go with its last name", async () => {
    const torrents = await opened();
    const torrent = await legacyTorrent("file");
    await torrents.publish(torrent, { name: "a" });
    await torrents.publish(torrent, { name: "b" });
    await torrents.delete("a");
    expect((await torrents.get({ infoHash: torrent.infoHash })).name).toBe("b");
    await torrents.delete("b.json");
    await expect(torrents.get({ infoHash: torrent.infoHash })).rejects.toMatchObject({ code: "not_found" });
    await expect(torrents.delete("b")).rejects.toMatchObject({ code: "not_found" });
    expect(await readdir(directory)).toEqual([]);
  });

  it("runs changes one after the other: of ten torrents for one name, one wins", async () => {
    const torrents = await opened();
    const ten = await Promise.all(Array.from({ length: 10 }, (_, n) => legacyTorrent("file", `${n}`)));
    const ends = await Promise.allSettled(ten.map((torrent) => torrents.publish(torrent)));
    expect(ends.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect((await torrents.get({ name: "file" })).torrent).toEqual(ten[0]);
  });

  it.each(["..", "../x", "a/b", "/etc/passwd", "a\\b", "nul", "a".repeat(251)])(
    "has no place for the name %j",
    async (name) => {
      const torrents = await opened();
      const refusal = { code: "invalid_argument", field: "name" };
      await expect(torrents.publish(await legacyTorrent("x"), { name })).rejects.toMatchObject(refusal);
      expect(await readdir(directory)).toEqual([]);
    },
  );

  it.each(["..", "../x", "/etc/passwd", "a\0"])("does not look for the name %j", async (name) => {
    const torrents = await opened();
    const refusal = { code: "invalid_argument", field: "name" };
    await expect(torrents.get({ name })).rejects.toMatchObject(refusal);
    await expect(torrents.delete(name)).rejects.toMatchObject(refusal);
  });
});

describe("hands in the directory", () => {
  it("put in a torrent, and it is there", async () => {
    const torrents = await opened();
    expect(await names(torrents)).toEqual([]);
    await put("by-hand.json", "x");
    expect(await names(torrents)).toEqual(["by-hand"]);
    expect((await torrents.get({ name: "by-hand" })).torrent.fileName).toBe("x");
  });

  it("take one out, and it is gone", async () => {
    await put("a.json", "a");
    await put("b.json", "b");
    const torrents = await opened();
    await torrents.get({ name: "a" });
    await rm(at("a.json"));
    await expect(torrents.get({ name: "a" })).rejects.toMatchObject({ code: "not_found" });
    expect(await names(torrents)).toEqual(["b"]);
  });

  it("move another torrent over one, and the name has the other", async () => {
    await put("a.json", "a", "1");
    const torrents = await opened();
    await torrents.get({ name: "a" });
    await put(".new", "a", "2");
    await rename(at(".new"), at("a.json"));
    expect((await torrents.get({ name: "a" })).torrent).toEqual(await legacyTorrent("a", "2"));
  });

  it("write into a file, which does not touch the directory, and a reader sees it", async () => {
    await put("a.json", "a", "1");
    const torrents = await opened();
    await torrents.get({ name: "a" });
    await put("a.json", "a", "2", { comment: "longer" });
    expect((await torrents.get({ name: "a" })).torrent).toEqual(
      await legacyTorrent("a", "2", { comment: "longer" }),
    );
    await writeFile(at("a.json"), "{");
    await expect(torrents.get({ name: "a" })).rejects.toMatchObject({ code: "not_found" });
    expect(torrents.badFiles).toEqual([
      { file: "a.json", problem: expect.stringContaining("torrent: is not JSON") },
    ]);
  });

  it("are seen at the second look where the directory's time did not tell", async () => {
    await put("a.json", "a", "1");
    const torrents = await opened();
    await put("a.json", "a", "2");
    expect((await torrents.list({})).torrents[0]?.infoHash).toBe((await legacyTorrent("a", "1")).infoHash);
    await clock.tick(1_000);
    expect((await torrents.list({})).torrents[0]?.infoHash).toBe((await legacyTorrent("a", "2")).infoHash);
  });

  it("put in what is no torrent: it is told of once, and everybody else is served", async () => {
    await put("good.json", "good");
    await writeFile(at("broken.json"), "{");
    await writeFile(
      at("placeholder.json"),
      torrentText(await legacyTorrent("x")).replace(/[0-9a-f]{64}/g, "abcd1234"),
    );
    await writeFile(at("latin1.json"), Buffer.from([0x22, 0xe9, 0x22]));
    await writeFile(at("huge.json"), Buffer.alloc((16 << 20) + 1, " "));
    await put("nul.json", "x");
    await writeFile(at("notes.txt"), "not meant");
    await mkdir(at("folder.json"));
    const torrents = await opened();
    expect(await names(torrents)).toEqual(["good"]);
    const told = [
      { file: "broken.json", problem: expect.stringContaining("torrent: is not JSON") },
      { file: "huge.json", problem: "torrent: must be at most 16 MiB of JSON" },
      { file: "latin1.json", problem: "torrent: is not UTF-8" },
      { file: "nul.json", problem: "name: is a device name on Windows" },
      { file: "placeholder.json", problem: expect.stringMatching(/^info_hash|^pieces\[0\]\.hash/) },
    ];
    expect(bad).toEqual(told);
    expect(torrents.badFiles).toEqual(told);
    await put("more.json", "more");
    expect(await names(torrents)).toEqual(["good", "more"]);
    expect(bad).toHaveLength(told.length);
  });

  it("put in what is no torrent, and a publisher does not write over it unasked", async () => {
    await writeFile(at("file.json"), "precious, but no torrent");
    const torrents = await opened();
    const torrent = await legacyTorrent("file");
    await expect(torrents.publish(torrent)).rejects.toMatchObject({ code: "already_exists" });
    expect(await readFile(at("file.json"), "utf8")).toMatch("precious");
    await torrents.publish(torrent, { replace: true });
    expect(torrents.badFiles).toEqual([]);
  });

  it("put in two names that differ in case only: the first stays until it is taken out", async () => {
    await put("A.json", "first");
    await put("a.json", "second");
    const torrents = await opened();
    expect((await torrents.get({ name: "a" })).torrent.fileName).toBe("first");
    expect(bad).toEqual([{ file: "a.json", problem: "has the same name as A.json" }]);
    await torrents.delete("A");
    expect((await torrents.get({ name: "a" })).torrent.fileName).toBe("second");
  });

  it("put in a link to a torrent elsewhere; publishing replaces the link and not what it points to", async () => {
    const elsewhere = await mkdtemp(join(tmpdir(), "pieza-elsewhere-"));
    const target = join(elsewhere, "x");
    await writeFile(target, torrentText(await legacyTorrent("file", "1")));
    await symlink(target, at("file.json"));
    const torrents = await opened();
    expect(await names(torrents)).toEqual(["file"]);
    await torrents.publish(await legacyTorrent("file", "2"), { replace: true });
    expect(await parseTorrentText(await readFile(target, "utf8"), nodeHasher)).toEqual(
      await legacyTorrent("file", "1"),
    );
    await rm(elsewhere, { recursive: true });
  });
});

describe("a torrent's file", () => {
  it("that is gone, or a link to nowhere, is none", async () => {
    await symlink(at("nowhere"), at("link"));
    for (const path of [at("nowhere"), at("link")]) {
      expect(await stampAt(path)).toBeUndefined();
      expect(await readStampedTorrent(path)).toBeUndefined();
    }
  });

  it("that has become a pipe or a device is refused at once, and not read", async () => {
    execFileSync("mkfifo", [at("pipe")]);
    await symlink("/dev/zero", at("device"));
    for (const path of [at("pipe"), at("device")])
      await expect(readStampedTorrent(path)).rejects.toThrow("must be a file");
  });
});

describe("a crash while a torrent was written", () => {
  it("leaves the old file whole, and the next start takes away what it left", async () => {
    await put("file.json", "file", "1");
    const leftover = ".0123456789abcdef.tmp";
    await writeFile(at(leftover), '{ "file_name": "fi');
    const torrents = await opened();
    expect((await torrents.get({ name: "file" })).torrent).toEqual(await legacyTorrent("file", "1"));
    expect(await readdir(directory)).toEqual(["file.json"]);
  });
});

describe("a directory that went away", () => {
  it("fails with an error that has no path", async () => {
    const torrents = await opened();
    await rm(directory, { recursive: true });
    const torrent = await legacyTorrent("file");
    const calls = [
      () => torrents.list({}),
      () => torrents.get({ name: "a" }),
      () => torrents.publish(torrent),
    ];
    // One after the other: one that fails while an earlier is awaited would be nobody's rejection.
    for (const call of calls) {
      const failure = await call().catch((error: Error) => error);
      expect(failure).toMatchObject({ code: "internal" });
      expect((failure as Error).message).not.toContain(directory);
    }
    await mkdir(directory);
    expect(await names(torrents)).toEqual([]);
  });
});

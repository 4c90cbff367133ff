import {
  link,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  truncate,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { CachedPieces } from "../../../../server/peer/gateway/cached-pieces.ts";
import { PieceCache } from "../../../../server/peer/gateway/piece-cache.ts";
import { type MadeTorrent, makeTorrent } from "../../../support/swarms/made-torrent.ts";

const PIECE = 16 << 10;
let folder: string;
let made: MadeTorrent;
let other: MadeTorrent;
let lost: string[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "pieza-cache-"));
  made = await makeTorrent({ length: 8 * PIECE });
  other = await makeTorrent({ length: 3 * PIECE - 5, seed: 2, fileName: "other.bin" });
  lost = [];
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function cacheOf(pieces: number): PieceCache {
  return new PieceCache({
    folder,
    capacityBytes: pieces * PIECE,
    onHeld: () => {},
    onLost: (infoHash, index) =>
      lost.push(`${infoHash === made.torrent.infoHash ? "made" : "other"} ${index}`),
  });
}

async function hold(store: CachedPieces, from: MadeTorrent, ...indices: number[]): Promise<void> {
  for (const n of indices) {
    const bytes = from.bytes(n);
    store.write(from.at(n), 0, bytes.subarray(0, 100));
    store.write(from.at(n), 100, bytes.subarray(100));
    await store.commit(from.at(n));
  }
}

async function heldAfterRestart(cache: PieceCache): Promise<Record<string, number[]>> {
  const opened = await cache.open();
  return Object.fromEntries(opened.map(({ torrent, held }) => [torrent.fileName, [...held]]));
}

describe("a cache of pieces", () => {
  it("keeps what was used last, over all torrents", async () => {
    const cache = cacheOf(4);
    const store = await cache.add(made.torrent);
    const second = await cache.add(other.torrent);
    await hold(store, made, 0, 1, 2);
    expect(Buffer.from(await store.read(made.at(0)))).toEqual(Buffer.from(made.bytes(0)));
    await hold(second, other, 0, 1);
    expect(lost).toEqual(["made 1"]);
    await hold(store, made, 5);
    expect(lost).toEqual(["made 1", "made 2"]);
    expect([...store.held]).toEqual([0, 5]);
    expect(cache.usedBytes).toBeLessThanOrEqual(4 * PIECE);
    expect((await readdir(join(folder, made.torrent.infoHash))).sort()).toEqual(["0", "5", "torrent.json"]);
  });

  it("holds its pieces after a restart, and evicts those first that were used longest ago", async () => {
    const store = await cacheOf(8).add(made.torrent);
    await hold(store, made, 0, 3, 6);
    const path = (n: number) => join(folder, made.torrent.infoHash, String(n));
    await utimes(path(3), 1, 1);
    await utimes(path(0), 2, 2);
    const cache = cacheOf(3);
    expect(await heldAfterRestart(cache)).toEqual({ "file.bin": [0, 3, 6] });
    const again = await cache.add(made.torrent);
    await hold(again, made, 1);
    expect(lost).toEqual(["made 3"]);
    expect(Buffer.from(await again.read(made.at(6)))).toEqual(Buffer.from(made.bytes(6)));
  });

  it("neither reads, writes nor removes a file elsewhere through links that another process has put there", async () => {
    const elsewhere = await mkdtemp(join(tmpdir(), "pieza-elsewhere-"));
    const secret = join(elsewhere, "1");
    const own = Buffer.alloc(PIECE, 7);
    await writeFile(secret, own);
    const cache = cacheOf(8);
    const store = await cache.add(made.torrent);
    const path = (n: number) => join(folder, made.torrent.infoHash, String(n));
    await symlink(secret, path(0));
    await link(secret, path(3));
    await hold(store, made, 0, 1, 2, 3);
    expect(Buffer.from(await store.read(made.at(0)))).toEqual(Buffer.from(made.bytes(0)));
    await rm(path(1));
    await symlink(secret, path(1));
    await expect(store.read(made.at(1))).rejects.toMatchObject({ code: "data_loss" });
    await writeFile(path(2), own);
    await expect(store.read(made.at(2))).rejects.toMatchObject({ code: "data_loss" });
    await hold(store, made, 1);
    await rename(join(folder, made.torrent.infoHash), join(folder, "away"));
    await symlink(elsewhere, join(folder, made.torrent.infoHash));
    await expect(hold(store, made, 4)).rejects.toThrow(/writing to the cache failed/);
    await expect(store.read(made.at(1))).rejects.toMatchObject({ code: "data_loss" });
    expect(await readdir(elsewhere)).toEqual(["1"]);
    expect(await readFile(secret)).toEqual(own);
    const again = cacheOf(8);
    await again.open();
    expect(await readdir(elsewhere)).toEqual(["1"]);
    await rm(elsewhere, { recursive: true });
  });

  it("loses what a power cut has spoiled, at the latest when it is read", async () => {
    const store = await cacheOf(8).add(made.torrent);
    await hold(store, made, 0, 1, 2);
    const path = (n: number) => join(folder, made.torrent.infoHash, String(n));
    await truncate(path(0), 5);
    await writeFile(path(1), new Uint8Array(PIECE));
    await writeFile(join(folder, made.torrent.infoHash, "99"), "no piece");
    const cache = cacheOf(8);
    expect(await heldAfterRestart(cache)).toEqual({ "file.bin": [1, 2] });
    const again = await cache.add(made.torrent);
    await expect(again.read(made.at(1))).rejects.toThrow("left the cache");
    expect([...again.held]).toEqual([2]);
    await hold(again, made, 1);
    expect(Buffer.from(await again.read(made.at(1)))).toEqual(Buffer.from(made.bytes(1)));
  });

  it("removes a torrent's folder whose torrent is damaged, and one that is empty", async () => {
    const store = await cacheOf(8).add(made.torrent);
    await hold(store, made, 0);
    await writeFile(join(folder, made.torrent.infoHash, "torrent.json"), "{");
    const cache = cacheOf(8);
    expect(await cache.open()).toEqual([]);
    expect(await readdir(folder)).toEqual([]);
    await cache.add(other.torrent);
    await cache.drop(other.torrent.infoHash);
    expect(await readdir(folder)).toEqual([]);
  });
});

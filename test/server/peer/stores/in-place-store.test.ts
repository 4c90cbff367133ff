import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readlinkSync, rmSync, statSync } from "node:fs";
import { mkdir, open, rename, rm, symlink, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Hasher, webCryptoHasher } from "#core/base/hash.ts";
import type { PieceIndex } from "#core/torrent/piece.ts";
import {
  type InPlaceStore,
  type InPlaceStoreOptions,
  openInPlaceStore,
} from "../../../../server/peer/stores/in-place-store.ts";
import { type MadeTorrent, makeTorrent, noise } from "../../../support/swarms/made-torrent.ts";

const PIECE = 16 << 10;

describe("a seed in place", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "pieza-seed-"));
  });
  const stores: InPlaceStore[] = [];
  afterEach(() => {
    for (const store of stores.splice(0)) store.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function openStore(options: InPlaceStoreOptions): Promise<InPlaceStore> {
    const store = await openInPlaceStore(options);
    stores.push(store);
    return store;
  }

  /** A file of four pieces on the disk, served. */
  async function seeded(options: Partial<InPlaceStoreOptions> = {}) {
    const made = await makeTorrent({ length: 3 * PIECE + 5 });
    const path = join(folder, "file.bin");
    await writeFile(path, made.whole);
    const withdrawn: PieceIndex[] = [];
    const onWithdrawn = (index: PieceIndex) => withdrawn.push(index);
    const store = await openStore({ torrent: made.torrent, path, onWithdrawn, ...options });
    return { made, path, store, withdrawn };
  }

  /** Tells how often a hash was taken. */
  function countingHasher() {
    const hasher = {
      count: 0,
      create() {
        hasher.count++;
        return webCryptoHasher.create();
      },
    };
    return hasher satisfies Hasher;
  }

  async function writeAt(path: string, position: number, bytes: Uint8Array): Promise<void> {
    const file = await open(path, "r+");
    await file.write(bytes, 0, bytes.length, position);
    await file.close();
  }

  /** Puts back a time from before the change. */
  async function age(path: string): Promise<void> {
    await utimes(path, 1_000, 1_000);
  }

  it("gives every piece, each as a buffer of its own", async () => {
    const { made, store } = await seeded();
    expect(store.held.complete).toBe(true);
    for (const index of made.geometry.indices()) {
      expect(await store.read(index)).toEqual(made.bytes(index));
    }
    (await store.read(made.at(3))).fill(0);
    expect(await store.read(made.at(3))).toEqual(made.bytes(3));
  });

  it("hashes a piece once as long as its bytes do not change", async () => {
    const hasher = countingHasher();
    const { made, path, store } = await seeded({ hasher });
    for (let n = 0; n < 3; n++) expect(await store.read(made.at(0))).toEqual(made.bytes(0));
    expect(hasher.count).toBe(1);
    await age(path);
    await store.read(made.at(0));
    expect(hasher.count).toBe(1);
  });

  it("withdraws a piece that a program changes in its memory, which leaves the file's times as they are", async () => {
    const { made, path, store, withdrawn } = await seeded();
    const program = mapped(path);
    await program.flip(PIECE + 1);
    await program.flip(PIECE + 1);
    for (const index of made.geometry.indices()) await store.read(index);
    const before = statSync(path, { bigint: true });
    await program.flip(PIECE + 1);
    const { mtimeNs, ctimeNs } = statSync(path, { bigint: true });
    await program.end();
    expect([mtimeNs, ctimeNs]).toEqual([before.mtimeNs, before.ctimeNs]);
    await expect(store.read(made.at(1))).rejects.toMatchObject({ code: "data_loss" });
    expect(withdrawn).toEqual([1]);
    for (const n of [0, 2, 3]) expect(await store.read(made.at(n))).toEqual(made.bytes(n));
  });

  it("withdraws a piece of which one byte flipped, even with the old times put back, and serves the others", async () => {
    const { made, path, store, withdrawn } = await seeded();
    await age(path);
    for (const index of made.geometry.indices()) await store.read(index);
    await writeAt(path, PIECE + 9, new Uint8Array([made.whole[PIECE + 9]! ^ 1]));
    await age(path);
    await expect(store.read(made.at(1))).rejects.toMatchObject({ code: "data_loss" });
    expect(withdrawn).toEqual([1]);
    expect(store.held.has(1)).toBe(false);
    await expect(store.read(made.at(1))).rejects.toMatchObject({ code: "not_found" });
    for (const n of [0, 2, 3]) expect(await store.read(made.at(n))).toEqual(made.bytes(n));
    expect(withdrawn).toEqual([1]);
  });

  it("withdraws what a truncation took, and only that", async () => {
    const { made, path, store, withdrawn } = await seeded();
    await truncate(path, 2 * PIECE + 1);
    for (const n of [2, 3]) await expect(store.read(made.at(n))).rejects.toMatchObject({ code: "data_loss" });
    for (const n of [0, 1]) expect(await store.read(made.at(n))).toEqual(made.bytes(n));
    expect(withdrawn).toEqual([2, 3]);
  });

  it("notices another file that was renamed into its place", async () => {
    const { made, path, store } = await seeded();
    await age(path);
    await store.read(made.at(0));
    const other = join(folder, "other");
    await writeFile(other, noise(3 * PIECE + 5, 99));
    await age(other);
    await rename(other, path);
    await expect(store.read(made.at(0))).rejects.toMatchObject({ code: "data_loss" });
  });

  it("withdraws what it reads after the file was deleted, or became a link or a folder", async () => {
    const { made, path, store, withdrawn } = await seeded();
    await rename(path, join(folder, "moved"));
    await expect(store.read(made.at(0))).rejects.toMatchObject({ code: "data_loss" });
    await symlink(join(folder, "moved"), path);
    await expect(store.read(made.at(1))).rejects.toMatchObject({ code: "data_loss" });
    await rm(path);
    await mkdir(path);
    await expect(store.read(made.at(2))).rejects.toMatchObject({ code: "data_loss" });
    expect(withdrawn).toEqual([0, 1, 2]);
  });

  it("serves only the pieces that it is told to", async () => {
    const { made, store } = await seeded({ pieces: [1, 4] });
    expect([...store.held]).toEqual([0, 3]);
    expect(await store.read(made.at(3))).toEqual(made.bytes(3));
    await expect(store.read(made.at(1))).rejects.toMatchObject({ code: "not_found" });
    await expect(seeded({ pieces: [5] })).rejects.toMatchObject({ field: "pieces" });
  });

  it("does not start on a file that is missing, short or long, and says which", async () => {
    const { made, path } = await seeded();
    const again = () => openStore({ torrent: made.torrent, path });
    await truncate(path, 3 * PIECE);
    await expect(again()).rejects.toThrow(
      `file.bin has ${3 * PIECE} bytes, the torrent says ${3 * PIECE + 5}`,
    );
    await rm(path);
    await expect(again()).rejects.toMatchObject({ code: "failed_precondition" });
  });

  it("serves a folder with empty files and pieces that span files, and withdraws what a changed file touches", async () => {
    const files = ["a", "b/c", "b/empty", "d"].map((path, n) => ({
      path,
      length: [9_000, 9_000, 0, 20_000][n]!,
    }));
    const made: MadeTorrent = await makeTorrent({ files, fileName: "folder" });
    const root = join(folder, "folder");
    let offset = 0;
    for (const { path, length } of files) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), made.whole.subarray(offset, offset + length));
      offset += length;
    }
    const store = await openStore({ torrent: made.torrent, path: root });
    for (const index of made.geometry.indices()) expect(await store.read(index)).toEqual(made.bytes(index));
    await writeAt(join(root, "b/c"), 8_999, new Uint8Array([made.whole[17_999]! ^ 1]));
    expect(await store.read(made.at(0))).toEqual(made.bytes(0));
    await expect(store.read(made.at(1))).rejects.toMatchObject({ code: "data_loss" });
    expect(await store.read(made.at(2))).toEqual(made.bytes(2));
    expect(existsSync(join(root, "b/empty"))).toBe(true);
  });

  it("lets go of its files when it is closed, and of what is read after that", async () => {
    const { made, store, path } = await seeded();
    const openFiles = () => readdirSync("/proc/self/fd").filter((fd) => leadsTo(fd, path)).length;
    await Promise.all([store.read(made.at(0)), store.read(made.at(1))]);
    expect(openFiles()).toBe(1);
    const reading = store.read(made.at(2));
    store.close();
    expect(await reading).toEqual(made.bytes(2));
    expect(await store.read(made.at(3))).toEqual(made.bytes(3));
    await expect.poll(openFiles, { timeout: 5_000 }).toBe(0);
  });
});

/** Maps a file into its memory and flips a bit of the byte at each offset that it reads. Node cannot map files. */
const MAPPER = `
import mmap, sys
with open(sys.argv[1], "r+b") as file, mmap.mmap(file.fileno(), 0) as bytes:
    for line in sys.stdin:
        bytes[int(line)] ^= 1
        print(flush=True)
`;

/** A program that has the file in its memory. `flip` resolves when the byte at the offset has changed. */
function mapped(path: string) {
  const child = spawn("/usr/bin/python3", ["-c", MAPPER, path], { stdio: ["pipe", "pipe", "inherit"] });
  const flip = async (offset: number) => {
    child.stdin.write(`${offset}\n`);
    await once(child.stdout, "data");
  };
  const end = async () => {
    const ended = once(child, "close");
    child.stdin.end();
    await ended;
  };
  return { flip, end };
}

function leadsTo(descriptor: string, path: string): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`) === path;
  } catch {
    // The one that the folder itself was read with.
    return false;
  }
}

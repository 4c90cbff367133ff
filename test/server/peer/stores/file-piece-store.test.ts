import { readdirSync } from "node:fs";
import { link, mkdir, readFile, rm, stat, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { PieceGeometry } from "#core/torrent/piece.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { makeTorrent, noise } from "../../../support/swarms/made-torrent.ts";
import { fill, storeFolder } from "./store-folder.ts";

const PIECE = 16 << 10;

describe("FilePieceStore", () => {
  const here = storeFolder();
  const working = (suffix: string) => {
    const name = here.names().find((other) => other.endsWith(suffix));
    return join(here.path, name ?? `no ${suffix}`);
  };

  describe("finish", () => {
    it("leaves the file under its name, whole, and nothing else", async () => {
      const made = await makeTorrent({ length: 3 * PIECE + 77 });
      const store = await here.open(made);
      await fill(store, made);
      expect(here.names()).not.toContain("file.bin");
      await store.finish();
      expect(here.names()).toEqual(["file.bin"]);
      expect(Buffer.compare(await readFile(join(here.path, "file.bin")), made.whole)).toBe(0);
    });

    it("refuses while a piece is missing", async () => {
      const made = await makeTorrent({ length: 2 * PIECE });
      const store = await here.open(made);
      await fill(store, made, [0]);
      await expect(store.finish()).rejects.toMatchObject({ code: "failed_precondition" });
    });

    it("never writes over a file that came meanwhile, and works once that is out of the way", async () => {
      const made = await makeTorrent({ length: PIECE });
      const store = await here.open(made);
      await fill(store, made);
      await writeFile(join(here.path, "file.bin"), "mine");
      await expect(store.finish()).rejects.toMatchObject({ code: "already_exists" });
      expect(await readFile(join(here.path, "file.bin"), "utf8")).toBe("mine");
      await truncate(join(here.path, "file.bin"));
      await rm(join(here.path, "file.bin"));
      await store.finish();
      expect(here.names()).toEqual(["file.bin"]);
    });

    it("takes the place of another file when told to", async () => {
      const made = await makeTorrent({ length: PIECE });
      await writeFile(join(here.path, "file.bin"), "old");
      await expect(here.open(made)).rejects.toMatchObject({ code: "already_exists" });
      const store = await here.open(made, { replace: true });
      await fill(store, made);
      await store.finish();
      expect(Buffer.compare(await readFile(join(here.path, "file.bin")), made.whole)).toBe(0);
      expect(here.names()).toEqual(["file.bin"]);
    });

    it("takes no other file of its name and size for finished, and takes one that is for that", async () => {
      const made = await makeTorrent({ length: 2 * PIECE });
      const almost = made.whole.slice();
      almost[2 * PIECE - 1]! ^= 1;
      await writeFile(join(here.path, "file.bin"), almost);
      await expect(here.open(made)).rejects.toMatchObject({ code: "already_exists" });
      expect(Buffer.compare(await readFile(join(here.path, "file.bin")), almost)).toBe(0);
      await writeFile(join(here.path, "file.bin"), made.whole);
      expect((await here.open(made)).held.complete).toBe(true);
    });

    it("cleans up behind a run that was cut off after the name was given", async () => {
      const made = await makeTorrent({ length: 2 * PIECE });
      const first = await here.open(made);
      await fill(first, made);
      await first.close();
      await link(working(".part"), join(here.path, "file.bin"));
      const second = await here.open(made);
      expect(second.held.complete).toBe(true);
      await second.close();
      expect(here.names()).toEqual(["file.bin"]);
    });
  });

  describe("resume", () => {
    it("believes no piece whose bytes are not there any more", async () => {
      const made = await makeTorrent({ length: 4 * PIECE });
      const first = await here.open(made, { sync: "none" });
      await fill(first, made, [0, 1, 2]);
      await first.close();
      const part = await readFile(working(".part"));
      part[PIECE + 5]! ^= 1;
      await writeFile(working(".part"), part);
      const second = await here.open(made);
      expect([...second.held]).toEqual([0, 2]);
    });

    it("hashes durable pieces again when the file has another size", async () => {
      const made = await makeTorrent({ length: 40 * PIECE });
      const first = await here.open(made);
      await fill(first, made);
      await first.close();
      await truncate(working(".part"), 30 * PIECE);
      const second = await here.open(made);
      expect([...second.held]).toEqual(Array.from({ length: 30 }, (_, n) => n));
      await fill(second, made);
      await second.finish();
      expect(Buffer.compare(await readFile(join(here.path, "file.bin")), made.whole)).toBe(0);
    });

    it("hashes every durable piece again when one of the sample is wrong", async () => {
      const made = await makeTorrent({ length: 10 * PIECE });
      const first = await here.open(made);
      await fill(first, made);
      await first.close();
      const part = await readFile(working(".part"));
      for (const index of [3, 7]) part.fill(0, index * PIECE, index * PIECE + 100);
      await writeFile(working(".part"), part);
      const second = await here.open(made);
      expect([...second.held]).toEqual([0, 1, 2, 4, 5, 6, 8, 9]);
    });

    it("writes down at once what it lost, so that bytes half way to that piece never pass for it", async () => {
      const made = await makeTorrent({ length: 4 * PIECE });
      const first = await here.open(made);
      await fill(first, made);
      await first.close();
      const good = await readFile(working(".part"));
      await writeFile(working(".part"), Buffer.concat([good.subarray(0, PIECE), new Uint8Array(3 * PIECE)]));
      const second = await here.open(made);
      expect([...second.held]).toEqual([0]);
      await second.close();
      await writeFile(working(".part"), good);
      expect([...(await here.open(made)).held]).toEqual([0]);
    });

    it("starts again when the working file is gone", async () => {
      const made = await makeTorrent({ length: 2 * PIECE });
      const store = await here.open(made);
      await fill(store, made, [0]);
      await store.close();
      await rm(working(".part"));
      const again = await here.open(made);
      expect(again.held.count).toBe(0);
    });

    it("with the journal torn at any byte, holds only pieces that are really there", async () => {
      const made = await makeTorrent({ length: 3 * PIECE });
      const first = await here.open(made);
      await fill(first, made, [0, 2]);
      await first.close();
      const journal = await readFile(working(".journal"));
      const path = working(".journal");
      const part = await readFile(working(".part"));
      for (let length = journal.length; length >= 0; length--) {
        await writeFile(path, journal.subarray(0, length));
        await writeFile(working(".part"), part);
        const store = await here.open(made);
        for (const index of store.held) {
          expect(Buffer.compare(await store.read(made.at(index)), made.bytes(index))).toBe(0);
        }
        // Without a header it is no journal, and the pieces are found by their hashes.
        expect(store.held.count).toBe(length >= 64 + 24 ? 2 : length >= 64 + 12 ? 1 : length >= 64 ? 0 : 2);
        await store.close();
      }
    });

    it("refuses a journal that is not one, in words", async () => {
      const made = await makeTorrent({ length: PIECE });
      const store = await here.open(made);
      await store.close();
      await writeFile(working(".journal"), "x".repeat(100));
      await expect(here.open(made)).rejects.toThrow("not a Pieza journal");
      expect(here.names().filter((name) => name.endsWith(".lock"))).toEqual([]);
    });

    it("follows no link that somebody put in the working file's place", async () => {
      const made = await makeTorrent({ length: PIECE });
      const first = await here.open(made);
      await first.close();
      const part = working(".part");
      await rm(part);
      const victim = join(here.path, "victim");
      await writeFile(victim, "precious");
      await symlink(victim, part);
      await expect(here.open(made)).rejects.toMatchObject({ name: "StoreFailed" });
      expect(await readFile(victim, "utf8")).toBe("precious");
    });
  });

  describe("durability", () => {
    it("records pieces as durable after a second, or after 16 MiB, whichever comes first", async () => {
      const clock = new FakeClock();
      const made = await makeTorrent({ length: 20 << 20, pieceLength: 1 << 20 });
      const store = await here.open(made, { clock });
      const journalBytes = async () => (await stat(working(".journal"))).size;
      await fill(store, made, [0, 1]);
      expect(await journalBytes()).toBe(64 + 2 * 12);
      await clock.tick(1_000);
      await expect.poll(journalBytes).toBe(64 + 4 * 12);
      expect(clock.pending).toBe(0);
      await fill(
        store,
        made,
        Array.from({ length: 16 }, (_, n) => n + 2),
      );
      await expect.poll(journalBytes).toBe(64 + (4 + 2 * 16) * 12);
      await store.close();
      expect(clock.pending).toBe(0);
    });

    it("what is held when it is closed is durable, however soon that is", async () => {
      const made = await makeTorrent({ length: 3 * PIECE });
      const store = await here.open(made, { clock: new FakeClock() });
      await fill(store, made, [0, 1]);
      await store.close();
      expect((await stat(working(".journal"))).size).toBe(64 + 4 * 12);
    });

    it("with sync piece, a commit that has ended is durable", async () => {
      const made = await makeTorrent({ length: 2 * PIECE });
      const store = await here.open(made, { sync: "piece" });
      await fill(store, made, [0]);
      expect((await stat(working(".journal"))).size).toBe(64 + 2 * 12);
    });
  });

  describe("working files that are removed", () => {
    it.each([{ length: 3 * PIECE }, { files: [{ path: "a/b", length: 3 * PIECE }], fileName: "folder" }])(
      "end the download soon, in words, and the next one starts again",
      async (shape) => {
        const clock = new FakeClock();
        const made = await makeTorrent(shape);
        const store = await here.open(made, { clock });
        await fill(store, made, [0]);
        const part = working(".part");
        await rm(part, { recursive: true });
        await clock.tick(1_000);
        const commit = () => fill(store, made, [1, 2]);
        await expect
          .poll(() => commit().catch((error) => error.message))
          .toMatch(/^\..*\.part was removed during/);
        await store.close();
        const again = await here.open(made);
        expect(again.held.count).toBe(0);
      },
    );
  });

  describe("folders", () => {
    const files = Array.from({ length: 1_000 }, (_, n) => ({
      path: `${String(n % 7)}/${String(n).padStart(4, "0")}.txt`,
      length: n % 10 === 0 ? 0 : (n * 37) % 90,
    })).sort((a, b) => (a.path < b.path ? -1 : 1));

    it("keeps a thousand small files, empty ones and pieces that span files", async () => {
      const made = await makeTorrent({ files, fileName: "many" });
      expect(made.geometry.count).toBeGreaterThan(1);
      const first = await here.open(made);
      await fill(first, made, [1]);
      await first.close();
      const store = await here.open(made);
      expect([...store.held]).toEqual([1]);
      await fill(store, made);
      await store.finish();
      expect(here.names()).toEqual(["many"]);
      let offset = 0;
      for (const { path, length } of files) {
        const found = await readFile(join(here.path, "many", path));
        expect(Buffer.compare(found, made.whole.subarray(offset, offset + length))).toBe(0);
        offset += length;
      }
      expect(await store.read(made.at(0))).toEqual(made.bytes(0));
      await store.close();
      expect((await here.open(made)).held.complete).toBe(true);
    });

    it("keeps few of them open", async () => {
      const made = await makeTorrent({ files, fileName: "many" });
      const before = readdirSync("/proc/self/fd").length;
      const store = await here.open(made);
      await fill(store, made);
      expect(readdirSync("/proc/self/fd").length - before).toBeLessThan(40);
      await store.close();
      expect(readdirSync("/proc/self/fd").length).toBe(before);
    });

    it("never touches a folder that has the name", async () => {
      const made = await makeTorrent({ files: [{ path: "a/b", length: 5 }], fileName: "folder" });
      await mkdir(join(here.path, "folder"));
      await writeFile(join(here.path, "folder", "mine"), "mine");
      await expect(here.open(made)).rejects.toMatchObject({ code: "already_exists" });
      expect(await readFile(join(here.path, "folder", "mine"), "utf8")).toBe("mine");
    });
  });

  it("writes behind 4 GiB, sparsely", async () => {
    const length = 5 * 2 ** 30 + 3;
    const pieceLength = 16 << 20;
    const geometry = new PieceGeometry(length, pieceLength);
    const small = await makeTorrent({ length: 3, pieceLength });
    const pieces = new Array<string>(geometry.count).fill(small.torrent.pieces[0]!);
    const torrent = { ...small.torrent, pieces, lengths: { length, pieceLength } };
    const last = geometry.index(geometry.count - 1);
    const store = await here.open({ ...small, torrent, geometry });
    store.write(last, 0, noise(3));
    await store.commit(last);
    expect(await store.read(last)).toEqual(noise(3));
    await store.close();
    const facts = await stat(working(".part"));
    expect(facts.size).toBe(length);
    expect(facts.blocks * 512).toBeLessThan(1 << 20);
    expect([...(await here.open({ ...small, torrent, geometry })).held]).toEqual([last]);
  });

  it("takes names as long as names can be, and keeps two of them apart", async () => {
    const stem = "ñ".repeat(125);
    for (const fileName of [`${stem}.bin`, `${stem}.iso`]) {
      const made = await makeTorrent({ length: 5, fileName });
      const store = await here.open(made);
      await fill(store, made);
      expect(here.names().every((name) => Buffer.byteLength(name) <= 255)).toBe(true);
      await store.finish();
    }
    expect(here.names()).toEqual([`${stem}.bin`, `${stem}.iso`]);
  });

  it("keeps two torrents of one name apart: neither spoils what the other has so far", async () => {
    const made = [1, 2].map((seed) => makeTorrent({ length: 2 * PIECE, seed }));
    for (const each of made) {
      const store = await here.open(await each);
      await fill(store, await each, [0]);
      await store.close();
    }
    for (const each of made) {
      const store = await here.open(await each);
      expect([...store.held]).toEqual([0]);
      expect(await store.read((await each).at(0))).toEqual((await each).bytes(0));
      await store.close();
    }
  });

  it("lets go of every file and timer when it is closed half way", async () => {
    const clock = new FakeClock();
    const made = await makeTorrent({ length: 2 * PIECE });
    const store = await here.open(made, { clock });
    await fill(store, made, [0]);
    await store.close();
    expect(clock.pending).toBe(0);
    expect(here.names().filter((name) => name.endsWith(".lock"))).toEqual([]);
    expect(() => store.write(made.at(1), 0, made.bytes(1))).toThrow("closed");
    await expect(store.read(made.at(0))).rejects.toThrow("closed");
  });
});

import { mkdtempSync, rmSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { DownloadSnapshot } from "#core/download/snapshot.ts";
import { MemoryPieceStore } from "#core/ports/store.ts";
import { piecesOfFiles } from "#core/torrent/selection.ts";
import type { TorrentFile } from "#core/torrent/torrent.ts";
import { nodeHasher } from "../../../../server/base/node-hasher.ts";
import { DownloadServing } from "../../../../server/peer/downloading/download-serving.ts";
import { SharedPeer } from "../../../../server/peer/downloading/shared-peer.ts";
import type { RunningPeer } from "../../../../server/peer/peer.ts";
import { FilePieceStore } from "../../../../server/peer/stores/file-piece-store.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { makeTorrent } from "../../../support/swarms/made-torrent.ts";
import { fill } from "../stores/store-folder.ts";

const PIECE = 16 << 10;
const files: TorrentFile[] = [
  { path: "a.bin", length: PIECE + 10 },
  { path: "b.bin", length: 3 * PIECE },
];

let folder = "";
const ends: (() => unknown)[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "pieza-serving-"));
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  rmSync(folder, { recursive: true, force: true });
});

describe("serving while downloading", () => {
  /** A download whose end is `etaMs` away, and how often a peer was started for it. */
  async function begun(etaMs: number | undefined) {
    const made = await makeTorrent({ length: 3 * PIECE });
    const clock = new FakeClock();
    const snapshot = { etaMs };
    let starts = 0;
    const peer = { add() {}, remove() {}, changed() {} } as unknown as RunningPeer;
    const shared = {
      start: async () => {
        starts++;
        return peer;
      },
    };
    const serving = new DownloadServing(shared, made.torrent, new MemoryPieceStore(made.geometry), { clock });
    serving.watch({ peek: () => snapshot as DownloadSnapshot });
    return { clock, serving, snapshot, starts: () => starts };
  }

  it("starts a peer soon, but not before the first requests are on their way", async () => {
    for (const etaMs of [undefined, 5_000]) {
      const { clock, starts } = await begun(etaMs);
      expect(starts()).toBe(0);
      await clock.tick(250);
      expect(starts()).toBe(1);
      await clock.tick(60_000);
      expect(starts()).toBe(1);
    }
  });

  it("starts none for a download that is almost done, and one as soon as it is not any more", async () => {
    const { clock, serving, snapshot, starts } = await begun(900);
    await clock.tick(3_000);
    expect(starts()).toBe(0);
    snapshot.etaMs = 30_000;
    await clock.tick(250);
    expect(starts()).toBe(1);
    await serving.stop();
    expect(clock.pending).toBe(0);
  });

  it("starts none once it is stopped", async () => {
    const { clock, serving, starts } = await begun(900);
    await serving.stop();
    await clock.tick(60_000);
    expect([starts(), clock.pending]).toEqual([0, 0]);
  });
});

describe("serving what was selected of a folder", () => {
  /** The second of two files has been got, and is served. */
  async function served(pieceLength = PIECE) {
    const made = await makeTorrent({ files, fileName: "folder", pieceLength });
    const target = join(folder, "folder");
    const { torrent, geometry } = made;
    const store = await FilePieceStore.open({ torrent, geometry, target, select: [1], hasher: nodeHasher });
    ends.push(() => store.close());
    await fill(store, made, [...piecesOfFiles(files, [1], geometry)]);
    await store.finish();
    const shared = new SharedPeer({ port: 0, trackers: [], dataDir: folder });
    ends.push(() => shared.close());
    const serving = new DownloadServing(shared, torrent, store, { isPartial: true });
    ends.push(() => serving.stop());
    const peer = await serving.seed(target);
    const piece = async (number: number) => {
      const response = await fetch(`${peer!.url}/pieces/${torrent.infoHash}/${number}`);
      return { status: response.status, bytes: Buffer.from(await response.arrayBuffer()) };
    };
    return { made, target, piece };
  }

  it("goes on with every piece that is held, those across the edges of a file too", async () => {
    const { made, piece } = await served();
    for (const number of [2, 3, 4, 5]) {
      const { status, bytes } = await piece(number);
      expect(status).toBe(200);
      expect(bytes.equals(made.bytes(number - 1))).toBe(true);
    }
    expect((await piece(1)).status).toBe(404);
  });

  it("goes on where the selected file's piece is the whole folder", async () => {
    const { made, piece } = await served(1 << 20);
    expect(made.geometry.count).toBe(1);
    const { status, bytes } = await piece(1);
    expect(status).toBe(200);
    expect(bytes.equals(made.bytes(0))).toBe(true);
  });

  it("gives out nothing of a file in its place that its owner changes meanwhile, and all of the others", async () => {
    const made = await makeTorrent({ files, fileName: "folder" });
    const { torrent, geometry } = made;
    const target = join(folder, "folder");
    const open = (select?: number[]) =>
      FilePieceStore.open({ torrent, geometry, target, select, hasher: nodeHasher });
    const first = await open([1]);
    await fill(first, made, [...piecesOfFiles(files, [1], geometry)]);
    await first.finish();
    await first.close();
    const store = await open();
    ends.push(() => store.close());
    const shared = new SharedPeer({ port: 0, trackers: [], dataDir: folder });
    ends.push(() => shared.close());
    const clock = new FakeClock();
    const serving = new DownloadServing(shared, torrent, store, { clock });
    ends.push(() => serving.stop());
    serving.watch({ peek: () => ({ etaMs: undefined }) });
    const { url } = await shared.start();
    await clock.tick(250);
    const piece = async (number: number) => {
      const response = await fetch(`${url}/pieces/${torrent.infoHash}/${number}`);
      return { status: response.status, bytes: Buffer.from(await response.arrayBuffer()) };
    };
    const isSent = async (number: number) => (await piece(number)).bytes.equals(made.bytes(number - 1));
    await expect.poll(() => isSent(3)).toBe(true);
    await writeFile(join(target, "b.bin"), Buffer.alloc(3 * PIECE, 1));
    expect((await piece(3)).status).toBeGreaterThanOrEqual(400);
    expect((await piece(3)).status).toBe(404);
    expect((await piece(4)).status).toBeGreaterThanOrEqual(400);
    await fill(store, made, [0]);
    serving.held(made.at(0));
    expect(await isSent(1)).toBe(true);
    await store.finish();
    expect((await readFile(join(target, "b.bin")))[0]).toBe(1);
  });

  it("gives out nothing of what the file's owner has changed", async () => {
    const { target, piece } = await served();
    expect((await piece(3)).status).toBe(200);
    await writeFile(join(target, "b.bin"), Buffer.alloc(3 * PIECE, 1));
    const changed = await piece(3);
    expect(changed.status).toBeGreaterThanOrEqual(400);
    expect((await piece(3)).status).toBe(404);
  });
});

import { closeSync, mkdtempSync, openSync, readdirSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PiezaError } from "#core/base/errors.ts";
import type { Catalog } from "#core/ports/catalog.ts";
import { MemoryPieceStore } from "#core/ports/store.ts";
import { remoteCatalog } from "#core/rpc/rpc.ts";
import { nodeHasher } from "../../../../server/base/node-hasher.ts";
import { startCatalog } from "../../../../server/catalog/catalog.ts";
import { openTransport } from "../../../../server/http/client/transports.ts";
import { type PeerOptions, type RunningPeer, startPeer } from "../../../../server/peer/peer.ts";
import type { VolunteerRules } from "../../../../server/peer/volunteer/volunteer.ts";
import { type MadeTorrent, makeTorrent } from "../../../support/swarms/made-torrent.ts";
import { OrderingTracker } from "../../../support/swarms/ordering-tracker.ts";

const PIECE = 16 << 10;
const soon = { timeout: 15_000, interval: 20 };

describe("a volunteer", () => {
  const ends: (() => unknown)[] = [];
  let folder = "";
  let catalog: Catalog;
  let closeCatalog: () => Promise<void>;
  let tracker: OrderingTracker;
  let made: MadeTorrent;
  let seeder: RunningPeer;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "pieza-volunteer-"));
    const running = await startCatalog({
      port: 0,
      directory: join(folder, "catalog"),
      trackers: [],
      open: true,
    });
    closeCatalog = () => running.close({ graceMs: 0 });
    const { transport, close } = openTransport(running.url, "grpc");
    ends.push(close, closeCatalog);
    catalog = remoteCatalog({ url: running.url, transport, hasher: nodeHasher });
    tracker = await OrderingTracker.start();
    ends.push(() => tracker.close());
    made = await makeTorrent({ length: 8 * PIECE });
    await catalog.publish(made.torrent, {});
    seeder = await startPeer({ port: 0, trackers: [], dataDir: join(folder, "seeder") });
    ends.push(() => seeder.close());
    seeder.add(made.torrent, whole(made));
  });
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
    rmSync(folder, { recursive: true, force: true });
  });

  function whole({ geometry, at, bytes }: MadeTorrent): MemoryPieceStore {
    const store = new MemoryPieceStore(geometry);
    for (const index of geometry.indices()) {
      store.write(at(index), 0, bytes(index));
      store.commit(at(index));
    }
    return store;
  }

  async function volunteer(
    rules: Partial<VolunteerRules> = {},
    options: Partial<PeerOptions> = {},
  ): Promise<RunningPeer> {
    const peer = await startPeer({
      port: 0,
      trackers: [tracker.url],
      dataDir: join(folder, "volunteer"),
      volunteer: { catalogs: [catalog], capacityBytes: 1 << 20, ...rules },
      ...options,
    });
    ends.push(() => peer.close());
    return peer;
  }

  /** Numbers from 1, as they travel. */
  function order(first: number, last: number, of = made, id = `${of.torrent.infoHash.slice(0, 4)}-${first}`) {
    const { infoHash, pieces } = of.torrent;
    const ranges = [{ first, last }];
    return {
      orderId: id,
      infoHash,
      totalPieces: pieces.length,
      ranges,
      sources: [seeder.url],
      expiresMs: 30_000,
    };
  }

  const announced = ({ torrent } = made) => tracker.held.get(torrent.infoHash);
  const declined = () => tracker.last?.declined.map(({ orderId, reason }) => [orderId, reason]);
  const copies = () =>
    readdirSync(join(folder, "volunteer", "peer-0", "copies")).filter((name) => name.length === 64);
  const free = () => Number(tracker.last?.volunteer?.freeBytes ?? -1n);
  const piece = async (url: string, number: number) =>
    new Uint8Array(await (await fetch(`${url}/pieces/${made.torrent.infoHash}/${number}`)).arrayBuffer());

  /** Of /metrics. Undefined where there is none. */
  async function figure(url: string, name: string): Promise<number | undefined> {
    const text = await fetch(`${url}/metrics`).then((answer) => answer.text());
    const line = text.split("\n").find((line) => line.startsWith(`${name} `));
    return line === undefined ? undefined : Number(line.slice(name.length));
  }

  it("copies what is ordered from whom the order names, announces it, and takes no more", async () => {
    const { url } = await volunteer();
    await expect.poll(free, soon).toBe(1 << 20);
    tracker.answer = { orders: [order(2, 4)] };
    await expect.poll(() => announced(), soon).toEqual([1, 2, 3]);
    expect(await piece(url, 3)).toEqual(made.bytes(2));
    await expect.poll(free, soon).toBe((1 << 20) - 3 * PIECE);
    tracker.answer = { orders: [order(2, 4), order(8, 8)] };
    await expect.poll(() => announced(), soon).toEqual([1, 2, 3, 7]);
    expect(seeder.served().get(made.torrent.infoHash)?.size).toBe(4);
    expect(
      tracker.last?.torrents.find(({ infoHash }) => infoHash === made.torrent.infoHash)?.pieceLength,
    ).toBe(PIECE);
  });

  it("goes on after a restart, with what it has, and asks the catalog for nothing", async () => {
    const first = await volunteer();
    tracker.answer = { orders: [order(1, 2)] };
    await expect.poll(() => announced(), soon).toEqual([0, 1]);
    await first.close();
    await closeCatalog();
    tracker.answer = {};
    await volunteer();
    await expect.poll(() => announced(), soon).toEqual([0, 1]);
    tracker.answer = { orders: [order(3, 3)] };
    await expect.poll(() => announced(), soon).toEqual([0, 1, 2]);
  });

  it("declines what its catalogs do not know: nobody can make it keep junk", async () => {
    await volunteer();
    const junk = await makeTorrent({ length: 3 * PIECE, seed: 2 });
    seeder.add(junk.torrent, whole(junk));
    tracker.answer = { orders: [order(1, 3, junk, "junk")] };
    await expect.poll(declined, soon).toEqual([["junk", 1]]);
    expect(copies()).toEqual([]);
    expect(seeder.served().get(junk.torrent.infoHash)?.size).toBe(0);
    tracker.answer = {};
    await expect.poll(declined, soon).toEqual([]);
  });

  it("declines all orders of a torrent at once that its catalogs do not know, and asks for it once", async () => {
    let asked = 0;
    const get: Catalog["get"] = () => Promise.reject(new PiezaError("not_found", `asked ${++asked}`));
    await volunteer({ catalogs: [{ ...catalog, get }] });
    const junk = await makeTorrent({ length: 2 * PIECE, seed: 2 });
    const ids = Array.from({ length: 1_024 }, (_, at) => `order-${at}`);
    tracker.answer = { orders: ids.map((id) => order(1, 2, junk, id)) };
    await expect.poll(() => declined()?.length, soon).toBe(1_024);
    expect(asked).toBe(1);
  });

  it("goes on announcing with a thousand orders of one torrent with thousands of pieces", async () => {
    const large = await makeTorrent({ length: 4_096 * PIECE, seed: 5, fileName: "large" });
    await catalog.publish(large.torrent, {});
    const peer = await volunteer({ capacityBytes: 1 << 30 });
    // It has every piece: the orders are accepted, and nothing is copied.
    peer.add(large.torrent, whole(large));
    const ids = Array.from({ length: 1_024 }, (_, at) => `order-${at}`);
    tracker.answer = { orders: ids.map((id) => order(1, 4_096, large, id)) };
    const before = tracker.heard.length;
    await expect.poll(() => tracker.heard.length, soon).toBeGreaterThan(before + 4);
    expect(declined()).toEqual([]);
  });

  it("leaves the processor to others between two tries to find a torrent", async () => {
    const first = await volunteer();
    tracker.answer = { orders: [order(1, 1)] };
    await expect.poll(() => announced(), soon).toEqual([0]);
    tracker.answer = ({ drops }) => ({ grants: drops });
    await first.close();
    rmSync(join(folder, "volunteer", "peer-0", "copies", made.torrent.infoHash), { recursive: true });
    // The catalog knew the torrent. Now it does not answer, and no peer has it.
    await seeder.close();
    const turns: number[] = [];
    let turn = 0;
    let isOver = false;
    const count = () => {
      turn++;
      if (!isOver) setImmediate(count);
    };
    count();
    ends.push(() => {
      isOver = true;
    });
    const get: Catalog["get"] = () => {
      turns.push(turn);
      return Promise.reject(new PiezaError("unavailable", "no catalog"));
    };
    await volunteer({ catalogs: [{ ...catalog, get }] });
    tracker.answer = { orders: [order(1, 1), order(2, 2)] };
    await expect.poll(() => turns.length, soon).toBeGreaterThan(2);
    for (let at = 1; at < turns.length; at++) expect(turns[at]! - turns[at - 1]!).toBeGreaterThan(10);
  });

  it("declines what is more than it lends, what lies about the torrent, and what the torrent does not want", async () => {
    await volunteer({ capacityBytes: 4 * PIECE });
    const alone = await makeTorrent({ length: 3 * PIECE, seed: 3, fileName: "alone" });
    await catalog.publish({ ...alone.torrent, replicationTarget: 0 }, {});
    const lie = { ...order(1, 1, made, "lie"), totalPieces: 9 };
    tracker.answer = { orders: [order(1, 5, made, "large"), order(1, 1, alone, "alone"), lie] };
    await expect.poll(declined, soon).toEqual([
      ["large", 2],
      ["alone", 3],
      ["lie", 1],
    ]);
    tracker.answer = { orders: [order(1, 3, made, "fits"), order(4, 6, made, "two")] };
    await expect.poll(declined, soon).toEqual([["two", 2]]);
    await expect.poll(() => announced(), soon).toEqual([0, 1, 2]);
    expect(copies()).toEqual([made.torrent.infoHash]);
  });

  it("ends what is not ordered any more, and keeps what has come", async () => {
    const { url } = await volunteer({ bytesPerSecond: 4 * PIECE });
    tracker.answer = { orders: [order(1, 8)] };
    await expect.poll(() => announced()?.length ?? 0, soon).toBeGreaterThan(0);
    tracker.answer = {};
    const before = tracker.heard.length;
    await expect.poll(() => tracker.heard.length, soon).toBeGreaterThan(before + 3);
    const kept = announced()!.length;
    expect(kept).toBeLessThan(8);
    await expect.poll(free, soon).toBeGreaterThan((1 << 20) - 8 * PIECE);
    expect((await piece(url, announced()![0]! + 1)).length).toBe(PIECE);
  });

  it("of a torrent that it serves from its own files it copies only what those lack", async () => {
    const peer = await volunteer();
    const own = new MemoryPieceStore(made.geometry);
    own.write(made.at(0), 0, made.bytes(0));
    own.commit(made.at(0));
    peer.add(made.torrent, own);
    tracker.answer = { orders: [order(1, 3)] };
    await expect.poll(() => announced(), soon).toEqual([0, 1, 2]);
    await expect.poll(free, soon).toBe((1 << 20) - 2 * PIECE);
    expect(await piece(peer.url, 1)).toEqual(made.bytes(0));
    expect(await piece(peer.url, 3)).toEqual(made.bytes(2));
  });

  it("asks a peer for the torrent only while its catalogs are away, and only if it was known", async () => {
    await volunteer({ capacityBytes: 8 * PIECE });
    tracker.answer = { orders: [order(1, 8)] };
    await expect.poll(() => announced()?.length, soon).toBe(8);
    const grants = ({ drops }: { drops: unknown }) => ({ grants: drops as never });
    tracker.answer = grants;
    await expect.poll(() => announced(), soon).toBeUndefined();
    await expect.poll(copies, soon).toEqual([]);
    await closeCatalog();
    const junk = await makeTorrent({ length: 3 * PIECE, seed: 2 });
    seeder.add(junk.torrent, whole(junk));
    tracker.answer = { orders: [order(1, 1, junk, "junk"), order(1, 2)] };
    await expect.poll(() => announced(), soon).toEqual([0, 1]);
    expect(declined()).toEqual([["junk", 1]]);
  });

  it("withdraws a rotten piece, and gets it again when that is ordered", async () => {
    const { url } = await volunteer({}, { scrub: { bytesPerSecond: 1 << 30, everyMs: 0 } });
    tracker.answer = { orders: [order(1, 4)] };
    await expect.poll(() => announced(), soon).toEqual([0, 1, 2, 3]);
    tracker.answer = {};
    const kept = join(folder, "volunteer", "peer-0", "copies", made.torrent.infoHash);
    const part = openSync(join(kept, readdirSync(kept).find((name) => name.endsWith(".part"))!), "r+");
    writeSync(part, Uint8Array.of(1, 2, 3), 0, 3, 2 * PIECE + 7);
    closeSync(part);
    await expect.poll(() => announced(), soon).toEqual([0, 1, 3]);
    tracker.answer = { orders: [order(3, 3)] };
    await expect.poll(() => announced(), soon).toEqual([0, 1, 2, 3]);
    expect(await figure(url, "pieza_pieces_rotten_total")).toBe(1);
    expect(await figure(url, "pieza_pieces_checked_total")).toBeGreaterThan(1);
    expect(await figure(url, "pieza_copies_copied_bytes")).toBe(5 * PIECE);
    expect(await figure(url, "pieza_copies_used_bytes")).toBe(4 * PIECE);
  });

  it("shows at /metrics what it lends, what of it is taken or promised, and what it copied", async () => {
    const { url } = await volunteer();
    tracker.answer = { orders: [order(2, 4)] };
    await expect.poll(() => announced(), soon).toEqual([1, 2, 3]);
    expect(await figure(url, "pieza_copies_capacity_bytes")).toBe(1 << 20);
    expect(await figure(url, "pieza_copies_used_bytes")).toBe(3 * PIECE);
    expect(await figure(url, "pieza_copies_free_bytes")).toBe((1 << 20) - 3 * PIECE);
    expect(await figure(url, "pieza_copies_copied_bytes")).toBe(3 * PIECE);
    expect(await figure(seeder.url, "pieza_copies_capacity_bytes")).toBeUndefined();
  });

  describe("that is almost full", () => {
    it("lets go of the torrent that nobody used for the longest time, when it may, and not a moment earlier", async () => {
      const other = await makeTorrent({ length: 8 * PIECE, seed: 4, fileName: "other" });
      await catalog.publish(other.torrent, {});
      seeder.add(other.torrent, whole(other));
      await volunteer({ capacityBytes: 16 * PIECE });
      tracker.answer = { orders: [order(1, 8)] };
      await expect.poll(() => announced()?.length, soon).toBe(8);
      tracker.answer = { orders: [order(1, 8, other)] };
      await expect.poll(() => announced(other)?.length, soon).toBe(8);
      tracker.answer = {};
      await expect
        .poll(() => tracker.last?.drops.map(({ infoHash }) => infoHash), soon)
        .toEqual([made.torrent.infoHash]);
      // Refused: the other one is asked for.
      await expect
        .poll(() => tracker.last?.drops.map(({ infoHash }) => infoHash), soon)
        .toEqual([other.torrent.infoHash]);
      const before = tracker.heard.length;
      await expect.poll(() => tracker.heard.length, soon).toBeGreaterThan(before + 4);
      expect([announced()?.length, announced(other)?.length]).toEqual([8, 8]);
      expect(copies()).toHaveLength(2);
    });

    it("has let go of what was granted before it announces again", async () => {
      await volunteer({ capacityBytes: 8 * PIECE });
      tracker.answer = { orders: [order(1, 8)] };
      await expect.poll(() => announced()?.length, soon).toBe(8);
      let granted: number | undefined;
      tracker.answer = ({ drops }) => {
        if (drops.length > 0) granted ??= tracker.heard.length;
        return { grants: drops };
      };
      await expect.poll(() => granted !== undefined && tracker.heard.length > granted, soon).toBe(true);
      expect(tracker.heard[granted!]?.left).toEqual([made.torrent.infoHash]);
      expect(Number(tracker.heard[granted!]?.volunteer?.freeBytes)).toBe(8 * PIECE);
      await expect.poll(copies, soon).toEqual([]);
    });

    it("needs the leave of a tracker whose id another one has made its own", async () => {
      const liar = await OrderingTracker.start(tracker.id);
      ends.push(() => liar.close());
      const { url } = await volunteer({ capacityBytes: 8 * PIECE }, { trackers: [tracker.url, liar.url] });
      tracker.answer = { orders: [order(1, 8)] };
      await expect.poll(() => announced()?.length, soon).toBe(8);
      liar.answer = ({ drops }) => ({ grants: drops });
      tracker.answer = {};
      await expect.poll(() => liar.heard.some(({ drops }) => drops.length > 0), soon).toBe(true);
      const before = tracker.heard.length;
      await expect.poll(() => tracker.heard.length, soon).toBeGreaterThan(before + 4);
      expect(copies()).toEqual([made.torrent.infoHash]);
      expect((await piece(url, 1)).length).toBe(PIECE);
    });

    it("does not give up orders because another tracker with the same id has none", async () => {
      const liar = await OrderingTracker.start(tracker.id);
      ends.push(() => liar.close());
      await volunteer({ bytesPerSecond: 16 * PIECE }, { trackers: [tracker.url, liar.url] });
      tracker.answer = { orders: [order(1, 8)] };
      await expect.poll(() => announced()?.length, soon).toBe(8);
    });

    it("needs the leave of every tracker that counts on it", async () => {
      const second = await OrderingTracker.start("second");
      ends.push(() => second.close());
      const peer = await volunteer({ capacityBytes: 8 * PIECE }, { trackers: [tracker.url, second.url] });
      tracker.answer = { orders: [order(1, 8)] };
      await expect.poll(() => announced()?.length, soon).toBe(8);
      tracker.answer = ({ drops }) => ({ grants: drops });
      await expect.poll(() => second.heard.some(({ drops }) => drops.length > 0), soon).toBe(true);
      const before = second.heard.length;
      await expect.poll(() => second.heard.length, soon).toBeGreaterThan(before + 4);
      expect((await piece(peer.url, 1)).length).toBe(PIECE);
      expect(second.held.get(made.torrent.infoHash)).toHaveLength(8);
      // The one that gave leave is told again what is there after all.
      const again = tracker.heard.findLastIndex(({ torrents }) => torrents.some(({ complete }) => complete));
      expect(again).toBeGreaterThan(tracker.heard.findIndex(({ drops }) => drops.length > 0));
    });
  });
});

import { mkdtempSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { PiezaError } from "#core/base/errors.ts";
import { MemoryPieceStore } from "#core/ports/store.ts";
import { remoteTracker } from "#core/rpc/rpc.ts";
import { openTransport } from "../../../../server/http/client/transports.ts";
import { startGet } from "../../../../server/peer/downloading/get.ts";
import { type RunningPeer, type ServedStore, startPeer } from "../../../../server/peer/peer.ts";
import {
  type RunningTracker,
  startTracker,
  type TrackerOptions,
} from "../../../../server/tracker/tracker.ts";
import { within } from "../../../support/deadline.ts";
import { type MadeTorrent, makeTorrent } from "../../../support/swarms/made-torrent.ts";
import { neverBusy } from "../../../support/swarms/never-busy.ts";

const PIECE = 16 << 10;

const ends: (() => unknown)[] = [];
let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "pieza-many-"));
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  rmSync(folder, { recursive: true, force: true });
});

async function tracker(options: Partial<TrackerOptions> = {}): Promise<RunningTracker> {
  const running = await startTracker({ ...neverBusy, port: 0, rateLimit: false, ...options });
  ends.push(() => running.close());
  return running;
}

/** A real peer that has announced this store, and been called back. */
async function peer(trackerUrl: string, { torrent }: MadeTorrent, store: ServedStore): Promise<RunningPeer> {
  const listed = Promise.withResolvers<void>();
  const running = await startPeer({
    port: 0,
    trackers: [trackerUrl],
    dataDir: folder,
    onStatus: (_, status) => status.listed && listed.resolve(),
  });
  ends.push(() => running.close());
  running.add(torrent, store);
  await within(20_000, "the peer is listed", listed.promise);
  return running;
}

/** A store with these pieces of a torrent, all by default. */
function storeOf(made: MadeTorrent, numbers = [...made.torrent.pieces.keys()]): MemoryPieceStore {
  const store = new MemoryPieceStore(made.geometry);
  for (const n of numbers) {
    store.write(made.at(n), 0, made.bytes(n));
    store.commit(made.at(n));
  }
  return store;
}

/** Says that it has everything, gives nothing, and counts how often it was asked. */
class Liar implements ServedStore {
  readonly geometry: ServedStore["geometry"];
  readonly held: ServedStore["held"];
  asked = 0;

  constructor({ geometry, held }: ServedStore) {
    this.geometry = geometry;
    this.held = held;
  }

  async read(): Promise<never> {
    this.asked++;
    throw new PiezaError("not_found", "not any more");
  }
}

it("200 peers are each named as often as every other, and every answer has three seeders", async () => {
  const { url } = await tracker();
  const made = await makeTorrent({ length: 8 * PIECE });
  const [whole, part] = [storeOf(made), storeOf(made, [0, 3])];
  const peers: RunningPeer[] = [];
  for (let batch = 0; batch < 10; batch++) {
    const stores = Array.from({ length: 20 }, (_, n) => (n < 4 ? whole : part));
    peers.push(...(await Promise.all(stores.map((store) => peer(url, made, store)))));
  }

  const { transport, close } = openTransport(url, "grpc");
  ends.push(close);
  const swarm = { infoHash: made.torrent.infoHash, totalPieces: made.torrent.pieces.length };
  const named = new Map<string, number>();
  for (let answer = 0; answer < 400; answer++) {
    const table = await remoteTracker({ url, transport }).locate(swarm, AbortSignal.timeout(10_000));
    expect(table.peers.length).toBeLessThanOrEqual(50);
    expect(table.peers.filter(({ bitfield }) => bitfield.complete).length).toBeGreaterThanOrEqual(3);
    for (const { url } of table.peers) named.set(url, (named.get(url) ?? 0) + 1);
  }
  expect([...named.keys()].sort()).toEqual(peers.map((peer) => peer.url).sort());
  const fair = 400 / 4;
  for (const times of named.values()) expect(Math.abs(times - fair)).toBeLessThanOrEqual(fair / 10);
}, 60_000);

it("a download completes with two honest seeds among fifty peers that have nothing of what they announce", async () => {
  const { url } = await tracker({ trackerLimits: { locateMs: 500 } });
  const made = await makeTorrent({ length: 256 * PIECE });
  const honest = storeOf(made);
  const liars = Array.from({ length: 50 }, () => new Liar(honest));
  for (let n = 0; n < 50; n += 10)
    await Promise.all(liars.slice(n, n + 10).map((liar) => peer(url, made, liar)));
  for (let n = 0; n < 2; n++) await peer(url, made, honest);

  const target = join(folder, "got.bin");
  const get = await startGet({ torrent: made.torrent, target, trackers: [url] });
  ends.push(() => get.stop());
  await within(30_000, "the download completes", get.done);
  expect((await readFile(target)).equals(made.whole)).toBe(true);
  // Then each is left alone for a minute.
  expect(Math.max(...liars.map(({ asked }) => asked))).toBe(1);
}, 60_000);

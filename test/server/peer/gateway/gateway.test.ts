import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { contentPath } from "#core/content/content-path.ts";
import { MemoryPieceStore } from "#core/ports/store.ts";
import { remoteCatalog } from "#core/rpc/rpc.ts";
import { nodeHasher } from "../../../../server/base/node-hasher.ts";
import { type RunningCatalog, startCatalog } from "../../../../server/catalog/catalog.ts";
import { openTransport } from "../../../../server/http/client/transports.ts";
import type { GatewayRules } from "../../../../server/peer/gateway/gateway.ts";
import { type RunningPeer, startPeer } from "../../../../server/peer/peer.ts";
import { type RunningTracker, startTracker } from "../../../../server/tracker/tracker.ts";
import { type MadeTorrent, makeTorrent } from "../../../support/swarms/made-torrent.ts";

const PIECE = 64 << 10;
const PIECES = 64;
let folder: string;
let tracker: RunningTracker;
let catalog: RunningCatalog;
let made: MadeTorrent;
const ends: (() => unknown)[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "pieza-gateway-"));
  tracker = await startTracker({ port: 0, rateLimit: false });
  catalog = await startCatalog({
    port: 0,
    directory: join(folder, "catalog"),
    trackers: [tracker.url],
    open: true,
  });
  ends.push(() => tracker.close());
  ends.push(() => catalog.close());
  made = await makeTorrent({ length: PIECES * PIECE - 99, pieceLength: PIECE, fileName: "film.mp4" });
  await catalogOf().publish(made.torrent, {});
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  await rm(folder, { recursive: true, force: true });
});

function catalogOf() {
  const { transport, close } = openTransport(catalog.url, "connect");
  ends.push(close);
  return remoteCatalog({ url: catalog.url, transport, hasher: nodeHasher });
}

async function start(name: string, gateway?: Partial<GatewayRules>): Promise<RunningPeer> {
  const peer = await startPeer({
    port: 0,
    trackers: [tracker.url],
    dataDir: join(folder, name),
    ...(gateway && {
      gateway: {
        catalogs: [catalogOf()],
        trackersOf: async () => [tracker.url],
        cacheBytes: 64 << 20,
        giveUpAfterMs: 10_000,
        ...gateway,
      },
    }),
  });
  ends.push(() => peer.close());
  return peer;
}

/** A peer that holds every piece for which `has` is true, and is named by the tracker. `lies`: sends others' bytes. */
async function seeder(has: (index: number) => boolean, lies = false): Promise<RunningPeer> {
  const store = new MemoryPieceStore(made.geometry);
  for (const index of made.geometry.indices()) {
    if (!has(index)) continue;
    store.write(
      index,
      0,
      made.bytes(lies ? (index + 1) % (PIECES - 1) : index).subarray(0, made.geometry.lengthOf(index)),
    );
    store.commit(index);
  }
  const peer = await start(`seeder-${ends.length}`);
  peer.add(made.torrent, store);
  await expect
    .poll(
      async () =>
        (
          await fetch(`${tracker.url}/pieza.v1.TrackerService/LocatePieces`, {
            method: "POST",
            headers: { "content-type": "application/json" },
            body: JSON.stringify({ infoHash: made.torrent.infoHash, totalPieces: PIECES }),
          })
        ).text(),
      { timeout: 20_000 },
    )
    .toContain(`"${peer.url}"`);
  return peer;
}

function urlAt(gateway: RunningPeer, torrent = made): string {
  return `${gateway.url}${contentPath(torrent.torrent.infoHash, ["film.mp4"])}`;
}

function served(peers: readonly RunningPeer[]): number {
  let requests = 0;
  for (const peer of peers)
    for (const counts of peer.served().values()) for (const one of counts.values()) requests += one.requests;
  return requests;
}

async function bytesAt(url: string, headers: Record<string, string> = {}): Promise<Buffer> {
  const answer = await fetch(url, { headers });
  expect([200, 206]).toContain(answer.status);
  return Buffer.from(await answer.bytes());
}

describe("a gateway", () => {
  it("sends the file from peers none of which has all of it, one lies and one dies, bit for bit", async () => {
    const peers = [
      await seeder((index) => index % 2 === 0),
      await seeder((index) => index % 2 === 1),
      await seeder((index) => index < 50, true),
      await seeder((index) => index % 3 === 0),
    ];
    const gateway = await start("gateway", {});
    const reading = bytesAt(urlAt(gateway));
    await expect.poll(() => served(peers)).toBeGreaterThan(10);
    await peers[3]!.close();
    expect((await reading).equals(made.whole)).toBe(true);
  });

  it("fetches each piece once for many readers, and then none", async () => {
    const peer = await seeder(() => true);
    const gateway = await start("gateway", {});
    const all = await Promise.all(Array.from({ length: 12 }, () => bytesAt(urlAt(gateway))));
    for (const bytes of all) expect(bytes.equals(made.whole)).toBe(true);
    expect(served([peer])).toBe(PIECES);
    await peer.close();
    expect(
      (await bytesAt(urlAt(gateway), { range: "bytes=1000000-" })).equals(made.whole.subarray(1_000_000)),
    ).toBe(true);
  });

  it("answers for an empty file while it begins to fetch the others of its folder", async () => {
    const peer = await start("folders");
    const files = [
      { path: "a", length: 5 },
      { path: "empty", length: 0 },
      { path: "z", length: 2 * PIECE },
    ];
    const folders: MadeTorrent[] = [];
    for (const seed of [1, 2, 3, 4]) {
      const folder = await makeTorrent({ files, pieceLength: PIECE, fileName: "folder", seed });
      const store = new MemoryPieceStore(folder.geometry);
      for (const index of folder.geometry.indices()) {
        store.write(index, 0, folder.bytes(index));
        store.commit(index);
      }
      await catalogOf().publish(folder.torrent, { name: `folder ${seed}` });
      peer.add(folder.torrent, store);
      folders.push(folder);
    }
    const gateway = await start("gateway", {});
    for (const { torrent, whole } of folders) {
      const read = (path: string) =>
        bytesAt(`${gateway.url}${contentPath(torrent.infoHash, ["folder", path])}`);
      const [a, , z] = await Promise.all(["a", "empty", "z", "empty", "empty"].map(read));
      expect(Buffer.concat([a!, z!]).equals(whole)).toBe(true);
    }
  });

  it("fetches for a part of the file only its pieces and a few after them", async () => {
    const peer = await seeder(() => true);
    const gateway = await start("gateway", {});
    await bytesAt(urlAt(gateway), { range: `bytes=${40 * PIECE}-${40 * PIECE + 9}` });
    await bytesAt(urlAt(gateway), { range: "bytes=-10" });
    await fetch(urlAt(gateway), { method: "HEAD" });
    expect(served([peer])).toBe(2);
  });

  it("stops fetching for a reader that leaves", async () => {
    const peer = await seeder(() => true);
    const gateway = await start("gateway", {});
    const leave = new AbortController();
    const answer = await fetch(urlAt(gateway), { signal: leave.signal });
    await answer.body!.getReader().read();
    leave.abort();
    await expect
      .poll(async () => (await fetch(`${gateway.url}/metrics`)).text())
      .toContain("pieza_piece_bytes_in_flight 0");
    const after = served([peer]);
    expect(after).toBeLessThan(PIECES);
    await bytesAt(urlAt(gateway), { range: "bytes=0-0" });
    expect(served([peer])).toBe(after);
  });

  it("serves what it has cached to the swarm, and after a restart", async () => {
    const peer = await seeder(() => true);
    const gateway = await start("gateway", {});
    await bytesAt(urlAt(gateway));
    await peer.close();
    const second = await start("second", {});
    expect((await bytesAt(urlAt(second))).equals(made.whole)).toBe(true);
    expect(served([gateway])).toBeGreaterThanOrEqual(2 * PIECES);
    await Promise.all([gateway.close(), second.close()]);
    const again = await start("gateway", { giveUpAfterMs: 500 });
    expect((await bytesAt(urlAt(again))).equals(made.whole)).toBe(true);
  });

  it("goes on when a piece is evicted just before it is read", async () => {
    await seeder(() => true);
    const gateway = await start("gateway", {});
    expect((await bytesAt(urlAt(gateway))).equals(made.whole)).toBe(true);
    // As an eviction does it: the file is gone, and the gateway finds out when it reads.
    const cached = join(folder, "gateway", "peer-0", "cache", made.torrent.infoHash);
    for (const index of [0, 20, 40, PIECES - 1]) await rm(join(cached, String(index)));
    expect((await bytesAt(urlAt(gateway))).equals(made.whole)).toBe(true);
  });

  it("says with 504 that no peer gives the file, and why", async () => {
    const gateway = await start("gateway", { giveUpAfterMs: 500 });
    const answer = await fetch(urlAt(gateway));
    expect(answer.status).toBe(504);
    expect((await answer.json()).message).toMatch(/^piece 1 did not arrive within \d+ s: .+/);
  });

  it("cuts the answer when the last peer dies in the middle", async () => {
    const peer = await seeder((index) => index < 30);
    const gateway = await start("gateway", { giveUpAfterMs: 500 });
    const answer = await fetch(urlAt(gateway));
    expect(answer.status).toBe(200);
    await expect(answer.bytes()).rejects.toThrow();
    expect(served([peer])).toBe(30);
  });

  it("asks its catalogs once for a torrent that they do not know", async () => {
    let asked = 0;
    const real = catalogOf();
    const counting = {
      ...real,
      get: (...query: Parameters<typeof real.get>) => {
        asked++;
        return real.get(...query);
      },
    };
    const gateway = await start("gateway", { catalogs: [counting] });
    const unknown = `${gateway.url}${contentPath("ab".repeat(32), ["x"])}`;
    const answers = await Promise.all(Array.from({ length: 50 }, () => fetch(unknown)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([404]));
    expect(asked).toBe(1);
  });

  it("says with 503 that no catalog answers", async () => {
    const gateway = await start("gateway", {});
    await catalog.close();
    const answer = await fetch(`${gateway.url}${contentPath("ab".repeat(32), ["x"])}`);
    expect(answer.status).toBe(503);
  });
});

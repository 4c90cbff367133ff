import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PiezaError } from "#core/base/errors.ts";
import { MemoryPieceStore } from "#core/ports/store.ts";
import { remoteTracker } from "#core/rpc/rpc.ts";
import { openTransport } from "../../../server/http/client/transports.ts";
import { type PeerOptions, type RunningPeer, startPeer } from "../../../server/peer/peer.ts";
import { startTracker } from "../../../server/tracker/tracker.ts";
import { freePort } from "../../support/free-port.ts";
import { type MadeTorrent, makeTorrent } from "../../support/swarms/made-torrent.ts";

const PIECE = 16 << 10;

describe("a peer and its trackers", () => {
  const ends: (() => unknown)[] = [];
  let dataDir = "";
  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), "pieza-peer-"));
  });
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
    rmSync(dataDir, { recursive: true, force: true });
  });

  async function tracker(port = 0) {
    const running = await startTracker({ port });
    ends.push(() => running.close());
    return running;
  }

  async function peer(trackers: string[], options: Partial<PeerOptions> = {}): Promise<RunningPeer> {
    const running = await startPeer({ port: 0, trackers, dataDir, ...options });
    ends.push(() => running.close());
    return running;
  }

  /** A torrent of three pieces and a store that holds the first. */
  async function firstPiece() {
    const made = await makeTorrent({ length: 3 * PIECE });
    const store = new MemoryPieceStore(made.geometry);
    hold(store, made, 0);
    return { made, store, infoHash: made.torrent.infoHash };
  }

  function hold(store: MemoryPieceStore, made: MadeTorrent, n: number): void {
    store.write(made.at(n), 0, made.bytes(n));
    store.commit(made.at(n));
  }

  /** What the tracker says of the torrent's peers: url and pieces, as "url 1,3". */
  function swarm(trackerUrl: string, { torrent }: MadeTorrent): () => Promise<string[]> {
    const { transport, close } = openTransport(trackerUrl, "connect");
    ends.push(close);
    const located = remoteTracker({ url: trackerUrl, transport });
    const key = { infoHash: torrent.infoHash, totalPieces: torrent.pieces.length };
    return async () => {
      const { peers } = await located.locate(key, AbortSignal.timeout(5_000)).catch((error: unknown) => {
        if (error instanceof PiezaError && error.code === "not_found") return { peers: [] };
        throw error;
      });
      return peers.map(({ url, bitfield }) => `${url} ${[...bitfield].map((index) => index + 1)}`);
    };
  }

  const soon = { timeout: 15_000, interval: 50 };

  it("is named with what it holds, then with everything, and no more once it has left", async () => {
    const { url } = await tracker();
    const { made, store, infoHash } = await firstPiece();
    const running = await peer([url]);
    const named = swarm(url, made);
    running.add(made.torrent, store);
    await expect.poll(named, soon).toEqual([`${running.url} 1`]);
    store.write(made.at(1), 0, made.bytes(1));
    hold(store, made, 2);
    hold(store, made, 1);
    running.completed(infoHash);
    await expect.poll(named, soon).toEqual([`${running.url} 1,2,3`]);
    await running.close();
    expect(await named()).toEqual([]);
  });

  it("announces to a tracker that was away when it started", async () => {
    const { made, store } = await firstPiece();
    const free = await freePort();
    const url = `http://127.0.0.1:${free}`;
    const running = await peer([url]);
    running.add(made.torrent, store);
    await tracker(free);
    await expect.poll(swarm(url, made), soon).toEqual([`${running.url} 1`]);
  });

  it("tells every tracker", async () => {
    const [one, two] = [await tracker(), await tracker()];
    const { made, store } = await firstPiece();
    const running = await peer([one.url, two.url, one.url]);
    running.add(made.torrent, store);
    await expect.poll(swarm(one.url, made), soon).toEqual([`${running.url} 1`]);
    await expect.poll(swarm(two.url, made), soon).toEqual([`${running.url} 1`]);
  });

  it("stops being named for a torrent that it gave up", async () => {
    const { url } = await tracker();
    const { made, store, infoHash } = await firstPiece();
    const running = await peer([url]);
    running.add(made.torrent, store);
    await expect.poll(swarm(url, made), soon).toEqual([`${running.url} 1`]);
    running.remove(infoHash);
    await expect.poll(swarm(url, made), soon).toEqual([]);
    const gone = await fetch(`${running.url}/pieces/${infoHash}/1`);
    expect(gone.status).toBe(404);
    await gone.arrayBuffer();
  });

  it("keeps its lease for the next run, for this user's eyes only", async () => {
    const { url } = await tracker();
    const { made, store } = await firstPiece();
    const port = await freePort();
    const first = await peer([url], { port });
    first.add(made.torrent, store);
    await expect.poll(swarm(url, made), soon).toHaveLength(1);
    const folder = join(dataDir, `peer-${port}`);
    const written = () => readdir(folder).catch(() => []);
    await expect.poll(written, soon).toEqual([expect.stringMatching(/\.json$/)]);
    const [name] = await readdir(folder);
    expect((await stat(join(folder, name!))).mode & 0o777).toBe(0o600);
    expect(JSON.parse(await readFile(join(folder, name!), "utf8"))).toMatchObject({
      id: expect.any(String),
      secret: expect.any(String),
    });
  });

  it("drains: named no more, what is under way arrives, then the port is free", async () => {
    const { url } = await tracker();
    const { made, store, infoHash } = await firstPiece();
    const gate = Promise.withResolvers<void>();
    const reading = Promise.withResolvers<void>();
    const running = await peer([url]);
    running.add(made.torrent, {
      geometry: store.geometry,
      held: store.held,
      read: async (index) => {
        reading.resolve();
        await gate.promise;
        return store.read(index);
      },
    });
    const named = swarm(url, made);
    await expect.poll(named, soon).toHaveLength(1);
    const under = fetch(`${running.url}/pieces/${infoHash}/1`);
    await reading.promise;
    const drained = running.drain();
    await expect.poll(named, soon).toEqual([]);
    gate.resolve();
    expect((await under.then((answer) => answer.arrayBuffer())).byteLength).toBe(PIECE);
    await drained;
    await expect(fetch(running.url)).rejects.toThrow();
    expect(running.served().get(infoHash)?.get(0)).toEqual({ requests: 1, bytes: PIECE });
  });

  it("serves on without any tracker", async () => {
    const { made, store, infoHash } = await firstPiece();
    const running = await peer([`http://127.0.0.1:${await freePort()}`]);
    running.add(made.torrent, store);
    const answer = await fetch(`${running.url}/pieces/${infoHash}/1`);
    expect((await answer.arrayBuffer()).byteLength).toBe(PIECE);
  });

  it("fails when it cannot write its folders, and leaves neither a port nor a timer behind", async () => {
    const port = await freePort();
    mkdirSync(join(dataDir, `peer-${port}`));
    writeFileSync(join(dataDir, `peer-${port}`, "copies"), "");
    const volunteer = { catalogs: [], capacityBytes: 1, bytesPerSecond: undefined };
    const uploads = { catalogs: [], maxBytes: 1, expiresAfterMs: 60_000, token: "token" };
    const scrub = { bytesPerSecond: 1, everyMs: 60_000 };
    await expect(peer([], { port, volunteer, uploads, scrub })).rejects.toMatchObject({ code: "EEXIST" });
    await peer([], { port });
  });

  it("fails when its port is taken, and leaves nothing behind", async () => {
    const taken = await peer([]);
    await expect(peer([`http://127.0.0.1:${await freePort()}`], { port: taken.port })).rejects.toThrow(
      "EADDRINUSE",
    );
  });
});

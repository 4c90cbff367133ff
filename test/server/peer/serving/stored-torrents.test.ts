import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PiezaError } from "#core/base/errors.ts";
import type { Catalog } from "#core/ports/catalog.ts";
import { MemoryPieceStore } from "#core/ports/store.ts";
import type { UploadPeer } from "#core/ports/upload-peer.ts";
import { remoteCatalog, remoteUploadPeer } from "#core/rpc/rpc.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { nodeClock } from "../../../../server/base/node-clock.ts";
import { nodeHasher } from "../../../../server/base/node-hasher.ts";
import { startCatalog } from "../../../../server/catalog/catalog.ts";
import { openTransport } from "../../../../server/http/client/transports.ts";
import { type RunningPeer, startPeer } from "../../../../server/peer/peer.ts";
import {
  STORED_CHECK_MS,
  StoredTorrents,
  type UploadOptions,
} from "../../../../server/peer/serving/stored-torrents.ts";
import type { ServedStore } from "../../../../server/peer/stores/served-torrents.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { type MadeTorrent, makeTorrent } from "../../../support/swarms/made-torrent.ts";

const PIECE = 16 << 10;
const TOKEN = "secret";
const signal = () => AbortSignal.timeout(10_000);

describe("pieces that others store at a peer", () => {
  const ends: (() => unknown)[] = [];
  let folder = "";
  let catalog: Catalog;
  let made: MadeTorrent;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "pieza-stored-"));
    const running = await startCatalog({
      port: 0,
      directory: join(folder, "catalog"),
      trackers: [],
      open: true,
    });
    const { transport, close } = openTransport(running.url, "grpc");
    ends.push(close, () => running.close({ graceMs: 0 }));
    catalog = remoteCatalog({ url: running.url, transport, hasher: nodeHasher });
    made = await makeTorrent({ length: 3 * PIECE + 5 });
    await catalog.publish(made.torrent, {});
  });
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
    rmSync(folder, { recursive: true, force: true });
  });

  async function peer(uploads: Partial<UploadOptions> | null = {}): Promise<RunningPeer> {
    const rules = { catalogs: [catalog], maxBytes: 1 << 20, expiresAfterMs: 1e9, token: TOKEN };
    const options = uploads && { uploads: { ...rules, ...uploads } };
    const dataDir = join(folder, "peer");
    const allowOrigins = ["https://page.example"];
    const running = await startPeer({ port: 0, trackers: [], dataDir, allowOrigins, ...options });
    ends.push(() => running.close());
    return running;
  }

  function publisher(url: string, torrent = made.torrent, token: string | null = TOKEN): UploadPeer {
    const { transport, close } = openTransport(url, "connect");
    ends.push(close);
    const swarm = { infoHash: torrent.infoHash, totalPieces: torrent.pieces.length };
    return remoteUploadPeer({ url, transport, swarm, clock: nodeClock, token: token ?? undefined });
  }

  const piece = async (url: string, number: number) =>
    new Uint8Array(await (await fetch(`${url}/pieces/${made.torrent.infoHash}/${number}`)).arrayBuffer());

  it("are served as soon as they are there", async () => {
    const { url } = await peer();
    const upload = publisher(url);
    expect((await upload.getBitfield(signal())).count).toBe(0);
    await upload.storePiece(made.at(3), made.bytes(3), signal());
    await upload.storePiece(made.at(1), made.bytes(1), signal());
    await upload.storePiece(made.at(1), made.bytes(1), signal());
    expect([...(await upload.getBitfield(signal()))]).toEqual([1, 3]);
    expect(await piece(url, 4)).toEqual(made.bytes(3));
  });

  it("count only after their hash has matched", async () => {
    const { url } = await peer();
    const upload = publisher(url);
    const wrong = made.bytes(0).map((byte) => byte ^ 1);
    for (const bytes of [wrong, made.bytes(0).subarray(1), new Uint8Array(0), made.bytes(1)]) {
      await expect(upload.storePiece(made.at(0), bytes, signal())).rejects.toMatchObject({
        code: "invalid_argument",
      });
    }
    expect((await upload.getBitfield(signal())).count).toBe(0);
  });

  it("are there after a restart, and what was stored is not stored again", async () => {
    const first = await peer();
    await publisher(first.url).storePiece(made.at(0), made.bytes(0), signal());
    await first.close();
    const second = await peer();
    expect([...(await publisher(second.url).getBitfield(signal()))]).toEqual([0]);
    expect(await piece(second.url, 1)).toEqual(made.bytes(0));
  });

  it.each([
    ["without a token", null, "unauthenticated"],
    ["with another token", "guess", "permission_denied"],
  ])("are refused %s", async (_how, token, code) => {
    const { url } = await peer();
    const upload = publisher(url, made.torrent, token);
    await expect(upload.storePiece(made.at(0), made.bytes(0), signal())).rejects.toMatchObject({ code });
    expect(readdirSync(join(folder, "peer", "peer-0", "stored"))).toEqual([]);
  });

  it("are refused where the operator did not ask for them, and where there is no room", async () => {
    const closed = await peer(null);
    const store = (upload: UploadPeer, n: number) => upload.storePiece(made.at(n), made.bytes(n), signal());
    await expect(store(publisher(closed.url), 0)).rejects.toMatchObject({ code: "unimplemented" });
    const small = publisher((await peer({ maxBytes: PIECE + 100 })).url);
    await store(small, 0);
    await expect(store(small, 1)).rejects.toMatchObject({
      code: "resource_exhausted",
      retryAfterMs: undefined,
    });
    await store(small, 3);
  });

  it("are refused of a torrent that the catalog does not have, and of one served from elsewhere", async () => {
    const running = await peer();
    const other = await makeTorrent({ length: 10, seed: 2 });
    const upload = publisher(running.url, other.torrent);
    const store = () => upload.storePiece(other.at(0), other.bytes(0), signal());
    await expect(store()).rejects.toMatchObject({ code: "not_found" });
    running.add(other.torrent, new MemoryPieceStore(other.geometry));
    await catalog.publish(other.torrent, { name: "other" });
    await expect(store()).rejects.toMatchObject({ code: "failed_precondition" });
  });

  it("are taken from the pages of named origins only", async () => {
    const { url } = await peer();
    const ask = (origin: string) =>
      fetch(`${url}/pieza.v1.PeerService/StorePiece`, {
        method: "OPTIONS",
        headers: { origin, "access-control-request-method": "POST" },
      });
    const allowed = await ask("https://page.example");
    expect(allowed.headers.get("access-control-allow-origin")).toBe("https://page.example");
    expect(allowed.headers.get("access-control-allow-headers")?.toLowerCase()).toContain("authorization");
    expect((await ask("https://other.example")).headers.get("access-control-allow-origin")).toBeNull();
  });

  describe("as time goes by", () => {
    const clock = new FakeClock();
    let served: Map<string, ServedStore>;
    let stored: StoredTorrents;
    let nowMs = 1e12;

    beforeEach(async () => {
      served = new Map();
      stored = new StoredTorrents({
        catalogs: [catalog],
        maxBytes: 1 << 20,
        expiresAfterMs: 10 * STORED_CHECK_MS,
        token: undefined,
        folder: join(folder, "stored"),
        clock,
        wallNow: () => nowMs,
      });
      ends.push(() => stored.stop());
      await stored.start({
        storeOf: (infoHash) => served.get(infoHash),
        add: (torrent: Torrent, store) => void served.set(torrent.infoHash, store),
        changed() {},
        remove: (infoHash) => void served.delete(infoHash),
      });
      await stored.store(made.torrent.infoHash, 1, made.bytes(0));
    });

    async function pass(ms: number): Promise<void> {
      nowMs += ms;
      await clock.tick(STORED_CHECK_MS);
    }

    it("stay while the catalog knows them, or does not answer", async () => {
      await pass(STORED_CHECK_MS);
      await expect.poll(() => clock.pending).toBe(1);
      expect(served.size).toBe(1);
    });

    it("go when the catalog knows them no more, with their bytes", async () => {
      await catalog.delete(made.torrent.fileName);
      await pass(STORED_CHECK_MS);
      await expect.poll(() => served.size).toBe(0);
      await expect.poll(() => readdirSync(join(folder, "stored"))).toEqual([]);
      expect(stored.usedBytes).toBe(0);
      await expect(stored.store(made.torrent.infoHash, 1, made.bytes(0))).rejects.toThrow(PiezaError);
    });

    it("go when they have been there for as long as they may", async () => {
      await pass(9 * STORED_CHECK_MS);
      await expect.poll(() => clock.pending).toBe(1);
      expect(served.size).toBe(1);
      await stored.store(made.torrent.infoHash, 2, made.bytes(1));
      await pass(9 * STORED_CHECK_MS);
      await expect.poll(() => clock.pending).toBe(1);
      expect(served.size, "after another piece").toBe(1);
      await pass(STORED_CHECK_MS);
      await expect.poll(() => served.size).toBe(0);
    });
  });
});

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MemoryPieceStore } from "#core/ports/store.ts";
import { type Serving, startServing } from "../../../../server/peer/serving/serving.ts";
import { startNginx } from "../../../support/processes/nginx.ts";
import { type MadeTorrent, makeTorrent } from "../../../support/swarms/made-torrent.ts";

const PIECE = 64 << 10;
const ends: (() => unknown)[] = [];
let peers: Serving[];
let made: MadeTorrent;
let cacheUrl: string;

beforeAll(async () => {
  made = await makeTorrent({ length: 7 * PIECE + 100, pieceLength: PIECE });
  peers = await Promise.all([startSeeder(), startSeeder()]);
  cacheUrl = await startCache(peers.map(({ server }) => new URL(server.url).host));
}, 30_000);
afterAll(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function startSeeder(): Promise<Serving> {
  const serving = await startServing({ port: 0, allowedHosts: ["pieza-peers"] });
  ends.push(() => serving.server.close({ graceMs: 0 }));
  const store = new MemoryPieceStore(made.geometry);
  for (const index of made.geometry.indices()) {
    store.write(index, 0, made.bytes(index));
    store.commit(index);
  }
  serving.torrents.add(made.torrent, store);
  return serving;
}

/** A cache in front of the peers, with a configuration that says no more than it must. */
async function startCache(hosts: readonly string[]): Promise<string> {
  const nginx = await startNginx({
    http: (folder) => `
      proxy_cache_path ${folder}/cache keys_zone=pieces:1m;
      upstream pieza-peers { ${hosts.map((host) => `server ${host};`).join(" ")} }`,
    server: () => "location /pieces/ { proxy_pass http://pieza-peers; proxy_cache pieces; }",
  });
  ends.push(() => nginx.stop());
  return nginx.url;
}

function pieceUrl(number: number): string {
  return `${cacheUrl}/pieces/${made.torrent.infoHash}/${number}`;
}

async function download(): Promise<Buffer> {
  const parts = [];
  for (let number = 1; number <= made.geometry.count; number++) {
    const answer = await fetch(pieceUrl(number));
    expect(answer.status).toBe(200);
    parts.push(await answer.bytes());
  }
  return Buffer.concat(parts);
}

/** What the peers have sent so far. */
function sentBytes(): number {
  const counts = peers.flatMap(({ torrents }) =>
    [...torrents].flatMap((served) => [...served.counts.values()]),
  );
  return counts.reduce((sum, { bytes }) => sum + bytes, 0);
}

describe("nginx as a cache in front of two peers", () => {
  it("has the peers send a file once, whoever asks for it then and how", async () => {
    expect((await download()).equals(made.whole)).toBe(true);
    expect(sentBytes()).toBe(made.whole.length);
    for (const { torrents } of peers)
      for (const { counts } of torrents) expect(counts.size).toBeGreaterThan(0);

    expect((await download()).equals(made.whole)).toBe(true);
    const etag = `"${made.torrent.pieces[1]}"`;
    const ask = async (headers: Record<string, string>) => {
      const answer = await fetch(pieceUrl(2), { headers });
      return {
        status: answer.status,
        etag: answer.headers.get("etag"),
        bytes: Buffer.from(await answer.bytes()),
      };
    };
    const whole = Buffer.from(made.bytes(1));
    const range = { range: "bytes=100-199" };
    const part = whole.subarray(100, 200);
    expect(await ask(range)).toEqual({ status: 206, etag, bytes: part });
    expect(await ask({ ...range, "if-range": etag })).toEqual({ status: 206, etag, bytes: part });
    expect(await ask({ ...range, "if-range": '"another"' })).toEqual({ status: 200, etag, bytes: whole });
    expect(await ask({ "if-none-match": etag })).toEqual({ status: 304, etag, bytes: Buffer.alloc(0) });
    expect(await ask({ "if-none-match": '"another"' })).toEqual({ status: 200, etag, bytes: whole });
    expect(sentBytes()).toBe(made.whole.length);
  });

  it("keeps no failure", async () => {
    const missing = `${cacheUrl}/pieces/${"0".repeat(64)}/1`;
    const cacheControl = async () => {
      const answer = await fetch(missing);
      return [answer.status, answer.headers.get("cache-control")];
    };
    expect(await cacheControl()).toEqual([404, "no-store"]);
    const { torrents } = peers[0]!;
    const late = { ...made.torrent, infoHash: "0".repeat(64) };
    for (const peer of peers) peer.torrents.add(late, torrents.find(made.torrent.infoHash).store);
    expect((await fetch(missing)).status).toBe(200);
  });
});

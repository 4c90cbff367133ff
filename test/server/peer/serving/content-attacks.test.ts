import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { contentPath } from "#core/content/content-path.ts";
import { MemoryPieceStore } from "#core/ports/store.ts";
import { type Serving, startServing } from "../../../../server/peer/serving/serving.ts";
import { type MadeTorrent, makeTorrent } from "../../../support/swarms/made-torrent.ts";

const PIECE = 64 << 10;
let peer: Serving;
let small: MadeTorrent;
let smallPath: string;

beforeAll(async () => {
  small = await makeTorrent({ length: 3 * PIECE + 1_234, pieceLength: PIECE, fileName: "small.bin" });
  smallPath = contentPath(small.torrent.infoHash, ["small.bin"]);
  peer = await startServing({ port: 0 });
  peer.torrents.add(small.torrent, wholeStore(small));
});
afterAll(() => peer?.server.close({ graceMs: 0 }));

function wholeStore(made: MadeTorrent): MemoryPieceStore {
  const store = new MemoryPieceStore(made.geometry);
  for (const index of made.geometry.indices()) {
    store.write(index, 0, made.bytes(index));
    store.commit(index);
  }
  return store;
}

async function ask(base: string, path: string, headers: Record<string, string> = {}) {
  const answer = await fetch(`${base}${path}`, { headers });
  return { status: answer.status, body: Buffer.from(await answer.bytes()) };
}

async function inFlightAt({ metrics }: Serving): Promise<number> {
  return Number(/^pieza_piece_bytes_in_flight (\d+)/m.exec(await metrics.text())?.[1]);
}

describe("callers that mean ill", () => {
  it("who never read hold no more than the budget, and others are served meanwhile", async () => {
    const made = await makeTorrent({
      length: 256 * PIECE,
      pieceLength: PIECE,
      fileName: "held.bin",
      seed: 5,
    });
    const limited = await startServing({ port: 0, maxInFlightBytes: 2 << 20 });
    limited.torrents.add(made.torrent, wholeStore(made));
    const path = contentPath(made.torrent.infoHash, ["held.bin"]);
    const { hostname, port, host } = new URL(limited.server.url);
    const sockets = Array.from({ length: 100 }, () => connect(Number(port), hostname));
    try {
      for (const socket of sockets) {
        socket.pause();
        socket.on("error", () => {});
        socket.write(`GET ${path} HTTP/1.1\r\nhost: ${host}\r\n\r\n`);
      }
      const inFlight = () => inFlightAt(limited);
      await expect.poll(inFlight).toBeGreaterThan(PIECE);
      expect(await inFlight()).toBeLessThanOrEqual(2 << 20);
      for (const socket of sockets) socket.destroy();
      await expect.poll(inFlight).toBe(0);
      const honest = await ask(limited.server.url, path);
      expect(honest.body.equals(made.whole)).toBe(true);
    } finally {
      for (const socket of sockets) socket.destroy();
      await limited.server.close({ graceMs: 0 });
    }
  });

  it("by another host name get nothing", async () => {
    const { hostname, port } = new URL(peer.server.url);
    const socket = connect(Number(port), hostname);
    socket.write(`GET ${smallPath} HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n`);
    expect(await text(socket)).toMatch(/^HTTP\/1.1 421 /);
  });

  it("who ask for 10,000 ranges are answered, and leave nothing behind", async () => {
    const { whole } = small;
    for (let n = 0; n < 10_000; n += 200) {
      const answers = await Promise.all(
        Array.from({ length: 200 }, (_, m) => {
          const start = ((n + m) * 7_919) % whole.length;
          return ask(peer.server.url, smallPath, { range: `bytes=${start}-${start}` });
        }),
      );
      for (const [m, { status, body }] of answers.entries()) {
        if (status === 429) continue;
        expect(status).toBe(206);
        expect(body[0]).toBe(whole[((n + m) * 7_919) % whole.length]);
      }
    }
    await expect.poll(() => inFlightAt(peer)).toBe(0);
  }, 120_000);
});

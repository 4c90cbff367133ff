import { once } from "node:events";
import net from "node:net";
import { buffer } from "node:stream/consumers";
import { afterEach, describe, expect, it } from "vitest";
import { MemoryPieceStore } from "#core/ports/store.ts";
import { PeerService } from "#gen/pieza/v1/peer_pb.ts";
import { UploadBudget } from "../../../../server/http/guards/upload-budget.ts";
import { type Serving, startServing } from "../../../../server/peer/serving/serving.ts";
import { Uploads } from "../../../../server/peer/serving/uploads.ts";
import { ServedTorrents } from "../../../../server/peer/stores/served-torrents.ts";
import { within } from "../../../support/deadline.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { type MadeTorrent, makeTorrent } from "../../../support/swarms/made-torrent.ts";
import { RawClient } from "../../../support/wire/raw-call.ts";
import { callOf, read, type WireFormat } from "../../../support/wire/wire-formats.ts";

const { getPiece } = PeerService.method;
const MiB = 1 << 20;
const PIECE = 8 * MiB;
const HANG_MS = 20_000;

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const made: Promise<MadeTorrent> = makeTorrent({ length: PIECE, pieceLength: PIECE });

async function storeOf({ geometry, bytes, at }: MadeTorrent): Promise<MemoryPieceStore> {
  const store = new MemoryPieceStore(geometry);
  store.write(at(0), 0, bytes(0));
  await store.commit(at(0));
  return store;
}

async function start(): Promise<Serving & { readonly path: string }> {
  const serving = await startServing({ port: 0, maxInFlightBytes: 4 * PIECE });
  ends.push(() => serving.server.close({ graceMs: 0 }));
  const { torrent } = await made;
  serving.torrents.add(torrent, await storeOf(await made));
  return { ...serving, path: `/pieces/${torrent.infoHash}/1` };
}

function client({ server }: Serving, version: 1 | 2, localAddress: string): RawClient {
  const raw = new RawClient(server.url, version, { localAddress });
  ends.push(() => raw.close());
  return raw;
}

/** Asks for the piece and reads nothing yet. */
async function slow(
  { server, path }: Serving & { path: string },
  localAddress: string,
  range = "",
): Promise<net.Socket> {
  const socket = net.connect({ port: server.port, host: "127.0.0.1", localAddress });
  ends.push(() => socket.destroy());
  socket.on("error", () => {});
  await once(socket, "connect");
  socket.pause();
  socket.write(`GET ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n${range}\r\n`);
  return socket;
}

async function bodyOf(socket: net.Socket): Promise<Buffer> {
  const all = await within(HANG_MS, "the rest of the piece", buffer(socket));
  return all.subarray(all.indexOf("\r\n\r\n") + 4);
}

describe("large pieces", () => {
  it.each([
    ["connect", 1],
    ["grpc-web", 1],
    ["connect", 2],
    ["grpc", 2],
    ["connect-json", 1],
  ] as const satisfies [WireFormat, 1 | 2][])("arrive whole in %s over HTTP/%i", async (format, version) => {
    const peer = client(await start(), version, "127.0.0.1");
    const { torrent, bytes } = await made;
    for (let n = 0; n < 2; n++) {
      const said = read(
        format,
        getPiece,
        await peer.call(callOf(format, getPiece, { infoHash: torrent.infoHash, number: 1 })),
      );
      expect("message" in said && Buffer.compare(said.message.data, bytes(0))).toBe(0);
    }
  });

  it("leave room for a newcomer while slow callers of many addresses have theirs, and reach these whole", async () => {
    const serving = await start();
    const readers: net.Socket[] = [];
    for (let n = 2; n < 8; n++) {
      const range = n % 2 === 0 ? "range: bytes=1000-7999999\r\n" : "";
      readers.push(await slow(serving, `127.0.0.${n}`, range));
    }
    const { torrent, bytes } = await made;
    const newcomer = client(serving, 1, "127.0.0.9");
    const call = callOf("connect", getPiece, { infoHash: torrent.infoHash, number: 1 });
    const served = async () => {
      for (;;) {
        const said = read("connect", getPiece, await newcomer.call(call));
        if ("message" in said) return said.message.data;
        expect(said.code).toBe("resource_exhausted");
      }
    };
    // All slow callers together keep it waiting for two seconds at most, and not until they have read.
    expect(Buffer.compare(await within(HANG_MS, "the newcomer's piece", served()), bytes(0))).toBe(0);
    let got = 0;
    for (const [n, reader] of readers.entries()) {
      const body = await bodyOf(reader);
      if (body.length < 1_000) continue;
      got++;
      expect(Buffer.compare(body, n % 2 === 0 ? bytes(0).subarray(1_000, 8_000_000) : bytes(0))).toBe(0);
    }
    expect(got).toBeGreaterThanOrEqual(3);
  });

  it("leave the memory after two seconds, and each part is read again when its turn comes", async () => {
    const { torrent, bytes } = await made;
    const clock = new FakeClock();
    const budget = new UploadBudget(2 * PIECE);
    const torrents = new ServedTorrents();
    torrents.add(torrent, await storeOf(await made));
    const uploads = new Uploads(torrents, budget, () => {}, undefined, clock);
    const offer = uploads.find(torrent.infoHash, 1, "a");
    const upload = await uploads.read(offer, "a");
    const parts = uploads.inParts(offer, upload, { address: "a", onGone: () => {} });
    const got = [(await parts.next()).value as Uint8Array];
    expect(budget.inFlightBytes).toBe(PIECE);
    await clock.tick(2_000);
    expect(budget.inFlightBytes).toBe(0);
    // Others fill the budget, so the next part waits for them.
    const giveBack = budget.take("b", 2 * PIECE);
    const next = parts.next();
    await clock.tick(1_000);
    giveBack();
    await clock.tick(250);
    got.push((await next).value as Uint8Array);
    expect(budget.inFlightBytes).toBe(MiB);
    for await (const part of parts) got.push(part);
    expect(Buffer.compare(Buffer.concat(got), bytes(0))).toBe(0);
    expect([budget.inFlightBytes, clock.pending]).toEqual([0, 0]);
  });

  it("that a caller can only have whole take a quarter of the memory", async () => {
    const { torrent } = await made;
    const torrents = new ServedTorrents();
    torrents.add(torrent, await storeOf(await made));
    const uploads = new Uploads(torrents, new UploadBudget(4 * PIECE), () => {});
    const offer = uploads.find(torrent.infoHash, 1, "a");
    const first = await uploads.readWhole(offer, "a", () => {});
    await expect(uploads.readWhole(offer, "b", () => {})).rejects.toMatchObject({
      code: "resource_exhausted",
    });
    (await uploads.read(offer, "b")).done();
    first.done();
    (await uploads.readWhole(offer, "b", () => {})).done();
  });
});

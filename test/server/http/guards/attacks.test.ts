import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import net from "node:net";
import { fileURLToPath } from "node:url";
import { create, toBinary } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { afterEach, describe, expect, it } from "vitest";
import { GetPieceRequestSchema, PeerService } from "#gen/pieza/v1/peer_pb.ts";
import { limits } from "../../../../server/http/base/limits.ts";
import { openTransport } from "../../../../server/http/client/transports.ts";
import { within } from "../../../support/deadline.ts";
import type { Figures, Settings } from "../../../support/wire/attacked-server.ts";
import { RawClient } from "../../../support/wire/raw-call.ts";
import { callHeaders, dialHttp2, frame, frameType, PREFACE } from "../../../support/wire/raw-http2.ts";
import { callOf, framed, read } from "../../../support/wire/wire-formats.ts";

const { getPiece } = PeerService.method;
const GET_PIECE = "/pieza.v1.PeerService/GetPiece";
const GET_TORRENT = "/pieza.v1.PeerService/GetTorrent";
const LARGE_TORRENT = "cd".repeat(32);
const MiB = 1 << 20;
const PIECES = 16;
/** Five times what any of these takes on a busy machine with two cores. */
const HANG_MS = 25_000;

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** A server in a process of its own, under attack. */
class Attacked {
  readonly port: number;
  readonly infoHash: string;
  /** What it has written to its standard error. */
  stderr = "";
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, { port, infoHash }: { port: number; infoHash: string }) {
    this.#child = child;
    this.port = port;
    this.infoHash = infoHash;
    child.stderr!.setEncoding("utf8").on("data", (text) => {
      this.stderr += text;
    });
  }

  static async start(settings: Settings): Promise<Attacked> {
    const path = fileURLToPath(new URL("../../../support/wire/attacked-server.ts", import.meta.url));
    const child = fork(path, [JSON.stringify(settings)], { stdio: ["ignore", "inherit", "pipe", "ipc"] });
    ends.push(async () => {
      const gone = once(child, "exit");
      child.kill("SIGKILL");
      await gone;
    });
    const [hello] = await within(HANG_MS, "the server listens", once(child, "message"));
    return new Attacked(child, hello);
  }

  async figures(): Promise<Figures> {
    const answer = once(this.#child, "message");
    this.#child.send("figures");
    return (await within(HANG_MS, "the server says its figures", answer))[0];
  }

  async connect(): Promise<net.Socket> {
    const socket = net.connect(this.port, "127.0.0.1");
    ends.push(() => socket.destroy());
    socket.on("error", () => {});
    await once(socket, "connect");
    return socket;
  }

  async connectHttp2(): Promise<net.Socket> {
    const socket = await dialHttp2(this.port);
    ends.push(() => socket.destroy());
    return socket;
  }

  /** Somebody else, at another address, gets every piece while all that goes on. */
  async servesAnotherAddress(): Promise<void> {
    const client = new RawClient(`http://127.0.0.1:${this.port}`, 1, { localAddress: "127.0.0.2" });
    ends.push(() => client.close());
    for (let number = 1; number <= PIECES; number++) {
      const call = client.call(callOf("connect", getPiece, { infoHash: this.infoHash, number }));
      const said = read("connect", getPiece, await within(HANG_MS, "a neighbour's piece", call));
      expect(said).toHaveProperty("message");
    }
  }
}

function pieceRequest(infoHash: string, number = 1): Buffer {
  return framed(toBinary(GetPieceRequestSchema, create(GetPieceRequestSchema, { infoHash, number })));
}

async function allClosed(what: string, sockets: readonly net.Socket[]): Promise<void> {
  const open = sockets.filter((socket) => !socket.closed);
  const closes = open.map((socket) => new Promise((resolve) => socket.resume().once("close", resolve)));
  await within(HANG_MS, what, Promise.all(closes));
}

/** Says what the attack came to; the server may not have grown by more than `mostMiB`. */
function bounded(what: string, before: Figures, after: Figures, mostMiB: number): void {
  const grewMiB = Math.round((after.rssBytes - before.rssBytes) / MiB);
  const reads = after.reads - before.reads;
  console.log(
    `${what}: grew by ${grewMiB} MiB to ${Math.round(after.rssBytes / MiB)} MiB, ${reads} pieces read`,
  );
  expect(grewMiB, `MiB that ${what} made the server grow by`).toBeLessThan(mostMiB);
}

describe("a server under attack", () => {
  it("closes 500 connections that are silent or half open, in four ways, and serves others meanwhile", async () => {
    const server = await Attacked.start({ limits: { firstBytesMs: 1_000, headersMs: 1_000, idleMs: 1_000 } });
    const before = await server.figures();
    const beginnings = [
      "",
      "GET / HTTP/1.1\r\nhost: loc",
      PREFACE,
      Buffer.concat([PREFACE, settings(), halfHeaders()]),
    ];
    const sockets: net.Socket[] = [];
    for (let n = 0; n < 500; n++) {
      const socket = await server.connect();
      socket.write(beginnings[n % beginnings.length]!);
      sockets.push(socket);
    }
    await server.servesAnotherAddress();
    // Measured: 2.
    bounded("500 silent connections", before, await server.figures(), 48);
    await allClosed("all 500 are closed", sockets);
  });

  it("runs 64 of 5,000 calls on one connection", async () => {
    const server = await Attacked.start({ hangs: true });
    const before = await server.figures();
    const socket = await server.connectHttp2();
    for (let n = 0; n < 5_000 && !socket.destroyed; n++) {
      const body = frame(frameType.data, 1, 2 * n + 1, pieceRequest(server.infoHash));
      socket.write(Buffer.concat([callHeaders(2 * n + 1, GET_PIECE), body]));
      if (n % 100 === 0) await server.figures();
    }
    const after = await server.figures();
    // Measured: 2.
    bounded("5,000 calls on one connection", before, after, 48);
    expect(after.reads).toBeLessThanOrEqual(limits.maxStreams);
  });

  it("ends a connection that opens and resets 20,000 calls", async () => {
    const server = await Attacked.start({});
    const before = await server.figures();
    const socket = await server.connectHttp2();
    const closed = allClosed("the connection is closed", [socket]);
    const beganMs = performance.now();
    let sent = 0;
    for (; sent < 20_000 && !socket.destroyed; sent++) {
      const id = 2 * sent + 1;
      const body = frame(frameType.data, 1, id, pieceRequest(server.infoHash));
      const reset = frame(frameType.rstStream, 0, id, Buffer.from([0, 0, 0, 8]));
      socket.write(Buffer.concat([callHeaders(id, GET_PIECE), body, reset]));
      if (sent % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await closed;
    const tookS = (performance.now() - beganMs) / 1_000;
    const after = await server.figures();
    // Measured: 4.
    bounded(`${sent} calls, each reset at once`, before, after, 48);
    // Measured: 101. What may be reset at once, what comes free meanwhile, and a few that were under way at the end.
    expect(after.reads).toBeLessThanOrEqual(limits.resetBurst + tookS * limits.resetsPerSecond + 10);
    await server.servesAnotherAddress();
  });

  it.each([
    // Measured: 10, as the upload budget holds it; 64 of the 200 pieces are read.
    { what: "pieces", path: GET_PIECE, mostMiB: 64 },
    // Measured: 211, of which limits.unreadBytes are 128.
    { what: "a torrent of 32,768 pieces", path: GET_TORRENT, mostMiB: 320 },
  ])(
    "bears 20 connections that ask for $what ten times each and never read",
    async ({ what, path, mostMiB }) => {
      const server = await Attacked.start({});
      const before = await server.figures();
      for (let connection = 0; connection < 20; connection++) {
        const socket = await server.connect();
        socket.pause();
        socket.write(Buffer.concat([PREFACE, settings(), hugeWindow()]));
        for (let n = 0; n < 10; n++) {
          const request = path === GET_PIECE ? pieceRequest(server.infoHash, n + 1) : torrentRequest();
          socket.write(
            Buffer.concat([callHeaders(2 * n + 1, path), frame(frameType.data, 1, 2 * n + 1, request)]),
          );
        }
      }
      await server.servesAnotherAddress();
      const after = await server.figures();
      bounded(`20 connections that never read ${what}`, before, after, mostMiB);
      if (path === GET_PIECE) expect(after.reads - before.reads).toBeLessThan(200);
    },
  );
});

describe("callers that hang up", () => {
  it.each(["grpc", "grpc-web", "connect"] as const)(
    "over %s leave no word in the log of a server",
    async (kind) => {
      const server = await Attacked.start({});
      const url = `http://127.0.0.1:${server.port}`;
      const { transport, close } = openTransport(url, kind);
      ends.push(close);
      const peer = createClient(PeerService, transport);
      for (let n = 0; n < 40; n++) {
        const abort = new AbortController();
        const request = { infoHash: server.infoHash, number: (n % PIECES) + 1 };
        const call = peer.getPiece(request, { signal: abort.signal }).catch(() => {});
        // Before it is sent, while it is under way, and while its answer is.
        for (let turn = 0; turn < n % 8; turn++) await new Promise((resolve) => setImmediate(resolve));
        abort.abort();
        await call;
      }
      for (let n = 0; n < 40; n++) {
        const socket = await server.connect();
        socket.write(`GET /pieces/${server.infoHash}/1 HTTP/1.1\r\nhost: localhost\r\n\r\n`);
        if (n % 2 === 0) await once(socket, "readable");
        if (n % 4 < 2) socket.resetAndDestroy();
        else socket.destroy();
      }
      await server.servesAnotherAddress();
      expect(server.stderr).toBe("");
    },
  );
});

/** SETTINGS that let the server send 2 GiB ahead on every stream. */
function settings(): Buffer {
  const payload = Buffer.alloc(6);
  payload.writeUInt16BE(4, 0);
  payload.writeUInt32BE(0x7fff_ffff, 2);
  return frame(frameType.settings, 0, 0, payload);
}

/** A WINDOW_UPDATE that lets it send as much on the connection. */
function hugeWindow(): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(0x7fff_0000, 0);
  return frame(frameType.windowUpdate, 0, 0, payload);
}

function halfHeaders(): Buffer {
  return frame(frameType.headers, 0, 1, Buffer.from([0x82]));
}

function torrentRequest(): Buffer {
  return framed(Buffer.concat([Buffer.from([0x0a, 64]), Buffer.from(LARGE_TORRENT)]));
}

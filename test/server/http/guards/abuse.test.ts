import { once } from "node:events";
import net from "node:net";
import { text } from "node:stream/consumers";
import { createClient } from "@connectrpc/connect";
import { afterEach, describe, expect, it } from "vitest";
import { PeerService } from "#gen/pieza/v1/peer_pb.ts";
import { openTransport } from "../../../../server/http/client/transports.ts";
import type { RunningServer, ServerOptions } from "../../../../server/http/listening/server.ts";
import { within } from "../../../support/deadline.ts";
import { startTestPeer } from "../../../support/swarms/test-peer.ts";
import { callHeaders, dialHttp2, frame, frameType } from "../../../support/wire/raw-http2.ts";

const GET_PIECE = "/pieza.v1.PeerService/GetPiece";
/** Above what any of these takes, below the test's own limit. */
const HANG_MS = 8_000;

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** A server that hangs on every piece and counts how many it was asked for. */
async function start(limits: ServerOptions["limits"], options: Partial<ServerOptions> = {}) {
  const asked = { pieces: 0 };
  const server = await startTestPeer(
    {
      getPiece(_number, { signal }) {
        asked.pieces++;
        return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      },
    },
    { limits, ...options },
  );
  ends.push(() => server.close({ graceMs: 0 }));
  return { server, asked };
}

async function connect(server: RunningServer): Promise<net.Socket> {
  const socket = net.connect(server.port, "127.0.0.1");
  ends.push(() => socket.destroy());
  socket.on("error", () => {});
  await once(socket, "connect");
  return socket;
}

async function closes(what: string, socket: net.Socket): Promise<void> {
  socket.resume();
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  if (!socket.closed) await within(HANG_MS, `${what} is closed`, closed);
}

async function answersOthers(server: RunningServer): Promise<void> {
  expect(await (await fetch(`${server.url}/healthz`)).text()).toBe("ok\n");
}

describe("a connection that", () => {
  it.each([
    { says: "nothing", bytes: "" },
    { says: "two bytes that may become either", bytes: "PR" },
  ])("says $says is closed", async ({ says, bytes }) => {
    const { server } = await start({ firstBytesMs: 100 });
    const sockets = await Promise.all(Array.from({ length: 20 }, () => connect(server)));
    for (const socket of sockets) socket.write(bytes);
    await answersOthers(server);
    await Promise.all(sockets.map((socket) => closes(says, socket)));
  });

  it("comes in pieces of a byte is understood all the same", async () => {
    const { server } = await start({});
    const socket = await connect(server);
    socket.setNoDelay();
    for (const byte of "PUT /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n") {
      socket.write(byte);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await within(HANG_MS, "an answer", text(socket))).toMatch(/^HTTP\/1.1 200/);
  });

  it("never ends its HTTP/1.1 headers gets 408", async () => {
    const { server } = await start({ headersMs: 200 });
    const socket = await connect(server);
    socket.write("GET /healthz HTTP/1.1\r\nhost: localhost\r\n");
    expect(await within(HANG_MS, "an answer", text(socket))).toMatch(/^HTTP\/1.1 408/);
  });

  it("sends larger headers than 16 KiB gets 431", async () => {
    const { server } = await start({});
    const socket = await connect(server);
    socket.write(`GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: ${"a".repeat(17 << 10)}\r\n\r\n`);
    expect(await within(HANG_MS, "an answer", text(socket))).toMatch(/^HTTP\/1.1 431/);
  });

  it("keeps an HTTP/1.1 connection for nothing is closed", async () => {
    const { server } = await start({ keepAliveMs: 100 });
    const socket = await connect(server);
    socket.write("GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n");
    await closes("an idle connection", socket);
  });

  it("keeps an HTTP/2 session for nothing is closed", async () => {
    const { server } = await start({ idleMs: 200 });
    await closes("an idle session", await dialHttp2(server.port));
  });

  it("is one too many is closed at once, and the others live", async () => {
    const { server } = await start({ maxConnections: 3 });
    const kept = await Promise.all([connect(server), connect(server), connect(server)]);
    await closes("the fourth connection", await connect(server));
    for (const socket of kept) expect(socket.closed).toBe(false);
  });
});

describe("a call", () => {
  it.each(["HTTP/1.1", "HTTP/2"])("whose body trickles in is ended, over %s", async (version) => {
    const { server, asked } = await start({ bodyGraceMs: 300, minBytesPerSecond: 1 << 20 });
    const socket = version === "HTTP/2" ? await dialHttp2(server.port) : await connect(server);
    ends.push(() => socket.destroy());
    if (version === "HTTP/2") socket.write(callHeaders(1, GET_PIECE));
    else {
      socket.write(
        `POST ${GET_PIECE} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/proto\r\ncontent-length: 9999\r\n\r\n`,
      );
    }
    const drip = setInterval(() => {
      socket.write(version === "HTTP/2" ? frame(frameType.data, 0, 1, Buffer.from("a")) : "a");
    }, 20);
    ends.push(() => clearInterval(drip));
    if (version === "HTTP/1.1") await closes("the connection", socket);
    else await within(HANG_MS, "the stream is reset", resetOf(socket, 1));
    expect(asked.pieces).toBe(0);
  });

  it.each(["grpc", "connect"] as const)("whose answer nobody reads is ended, over %s", async (kind) => {
    const gone = Promise.withResolvers<void>();
    const server = await startTestPeer(
      { getPiece: () => new Uint8Array(16 << 20) },
      {
        limits: { bodyGraceMs: 200, minBytesPerSecond: 1 << 30 },
      },
    );
    ends.push(() => server.close({ graceMs: 0 }));
    const socket = kind === "grpc" ? await dialHttp2(server.port) : await connect(server);
    ends.push(() => socket.destroy());
    if (kind === "grpc") {
      void resetOf(socket, 1).then(gone.resolve);
      // The window of 64 KiB is never opened further.
      const message = Buffer.from([0, 0, 0, 0, 0]);
      socket.write(Buffer.concat([callHeaders(1, GET_PIECE), frame(frameType.data, 1, 1, message)]));
      await within(HANG_MS, "the stream is reset", gone.promise);
      return;
    }
    socket.write(
      `POST ${GET_PIECE} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/proto\r\ncontent-length: 0\r\n\r\n`,
    );
    socket.pause();
    await within(HANG_MS, "the server lets go", noConnections(server));
  });
});

describe("a plain HTTP answer", () => {
  const BYTES = 8 << 20;
  const startPlain = async (limits: ServerOptions["limits"]) => {
    const closed = Promise.withResolvers<void>();
    const { server } = await start(limits, {
      async http(_request, response) {
        response.once("close", closed.resolve);
        response.setHeader("content-length", BYTES);
        response.end(new Uint8Array(BYTES));
        return true;
      },
    });
    return { server, closed: closed.promise };
  };
  const GET = "GET /pieces/x/1 HTTP/1.1\r\nhost: localhost\r\n\r\n";

  it("that nobody reads is ended as every other", async () => {
    const { server, closed } = await startPlain({ bodyGraceMs: 200, minBytesPerSecond: 1 << 30 });
    const socket = await connect(server);
    socket.pause().write(GET);
    await within(HANG_MS, "the server lets go", closed);
  });

  it("is refused to who has many unread, and given to who has none", async () => {
    const { server } = await startPlain({ unreadBytes: 4 * BYTES });
    const greedy = await Promise.all(Array.from({ length: 6 }, () => connect(server)));
    for (const socket of greedy) socket.pause().write(GET);
    const refused = greedy.slice(2).map((socket) => within(HANG_MS, "a refusal", text(socket)));
    const read = await Promise.all(refused);
    for (const answer of read) expect(answer.length).toBeLessThan(BYTES);
    const neighbour = net.connect({ port: server.port, host: "127.0.0.1", localAddress: "127.0.0.2" });
    ends.push(() => neighbour.destroy());
    neighbour.write(GET.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n"));
    expect((await within(HANG_MS, "an answer", text(neighbour))).length).toBeGreaterThan(BYTES);
  });
});

describe("streams on one connection", () => {
  it("are 64 of 5,000, and other connections do not notice", async () => {
    const { server, asked } = await start({});
    const socket = await dialHttp2(server.port);
    ends.push(() => socket.destroy());
    const calls = (from: number, to: number) => {
      const frames = [];
      for (let n = from; n < to; n++) {
        frames.push(callHeaders(2 * n + 1, GET_PIECE));
        frames.push(frame(frameType.data, 1, 2 * n + 1, Buffer.from([0, 0, 0, 0, 0])));
      }
      return Buffer.concat(frames);
    };
    socket.write(calls(0, 64));
    await expect.poll(() => asked.pieces, { timeout: HANG_MS }).toBe(64);
    socket.write(calls(64, 5_000));
    // What is refused is refused while it is read: a PING's answer shows that all was read. Or the session is gone.
    await within(HANG_MS, "the flood was read", floodWasRead(socket));
    await answersOthers(server);
    expect(asked.pieces).toBe(64);
  });

  it("that are opened and reset at once end the connection", async () => {
    const { server, asked } = await start({});
    const socket = await dialHttp2(server.port);
    ends.push(() => socket.destroy());
    const closed = closes("the connection", socket);
    for (let n = 0; n < 20_000 && !socket.destroyed; n++) {
      const id = 2 * n + 1;
      const call = callHeaders(id, GET_PIECE);
      const body = frame(frameType.data, 1, id, Buffer.from([0, 0, 0, 0, 0]));
      socket.write(Buffer.concat([call, body, frame(frameType.rstStream, 0, id, Buffer.from([0, 0, 0, 8]))]));
      if (n % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await closed;
    expect(asked.pieces).toBeLessThanOrEqual(250);
    await answersOthers(server);
  });

  it("of an honest downloader that changes its mind now and then go on", async () => {
    const { server } = await start({ resetBurst: 30 });
    const { transport, close } = openTransport(server.url, "grpc");
    ends.push(close);
    const peer = createClient(PeerService, transport);
    for (let n = 0; n < 20; n++) {
      const abort = new AbortController();
      const call = peer.getPiece({ number: 1 }, { signal: abort.signal });
      setImmediate(() => abort.abort());
      await expect(call).rejects.toThrow();
    }
    expect((await peer.getBitfield({})).totalPieces).toBe(4);
  });
});

describe("HEADERS that never end", () => {
  it("close the connection", async () => {
    const { server } = await start({ idleMs: 300 });
    const socket = await dialHttp2(server.port);
    ends.push(() => socket.destroy());
    socket.write(frame(frameType.headers, 0, 1, Buffer.from([0x82])));
    await closes("the connection", socket);
  });

  it("in a flood of CONTINUATION close the connection", async () => {
    const { server, asked } = await start({});
    const socket = await dialHttp2(server.port);
    ends.push(() => socket.destroy());
    const closed = closes("the connection", socket);
    socket.write(frame(frameType.headers, 0, 1, Buffer.from([0x82])));
    const field = Buffer.concat([Uint8Array.of(0, 1, 0x78, 100), Buffer.alloc(100, 0x61)]);
    for (let n = 0; n < 2_000 && !socket.destroyed; n++) {
      socket.write(frame(frameType.continuation, 0, 1, field));
      if (n % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await closed;
    expect(asked.pieces).toBe(0);
  });
});

/** Resolves when the server resets the stream or closes the connection. */
function resetOf(socket: net.Socket, streamId: number): Promise<void> {
  return seesFrame(socket, (type, id) => type === frameType.rstStream && id === streamId);
}

function floodWasRead(socket: net.Socket): Promise<void> {
  const read = seesFrame(socket, (type, _id, flags) => type === frameType.ping && flags === 1);
  socket.write(frame(frameType.ping, 0, 0, Buffer.alloc(8)));
  return read;
}

function seesFrame(
  socket: net.Socket,
  matches: (type: number, id: number, flags: number) => boolean,
): Promise<void> {
  return new Promise((resolve) => {
    let seen = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      seen = Buffer.concat([seen, chunk]);
      while (seen.length >= 9 && seen.length >= 9 + seen.readUIntBE(0, 3)) {
        if (matches(seen.readUInt8(3), seen.readUInt32BE(5), seen.readUInt8(4))) resolve();
        seen = seen.subarray(9 + seen.readUIntBE(0, 3));
      }
    });
    socket.once("close", () => resolve());
  });
}

/** Resolves when a graceful close has nothing to wait for. */
async function noConnections(server: RunningServer): Promise<void> {
  await server.close({ graceMs: 60_000 });
}

import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import net from "node:net";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterEach, describe, expect, it } from "vitest";
import { type ErrorCode, errorCodes, PeerFailed, PiezaError } from "#core/base/errors.ts";
import { toPeerFailed, toPiezaError } from "#core/rpc/errors.ts";
import { remotePeer } from "#core/rpc/rpc.ts";
import { toConnectError } from "../../../server/http/base/connect-error.ts";
import { openTransport, type TransportKind } from "../../../server/http/client/transports.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { geometry, startTestPeer, swarm } from "../../support/swarms/test-peer.ts";

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

describe("every code of ours", () => {
  it.each(errorCodes)("%s comes back from the wire as it was", (code) => {
    const back = toPiezaError(fromWire(toConnectError(new PiezaError(code, "these words"))));
    expect(back).toMatchObject({ code, message: "these words" });
    expect(back.cause).toBeInstanceOf(ConnectError);
  });
});

describe("what is not ours", () => {
  it.each([
    [Code.Canceled, "unavailable"],
    [Code.Aborted, "unavailable"],
    [Code.Unknown, "unavailable"],
    [Code.Internal, "internal"],
  ] as const)("code %i means %s", (wire, code) => {
    expect(toPeerFailed(fromWire(new ConnectError("words", wire))).code).toBe(code);
  });

  it.each([
    new ConnectError("Stream closed with error code NGHTTP2_REFUSED_STREAM", Code.Internal),
    new ConnectError("http/2 stream closed with error code ENHANCE_YOUR_CALM (0xb)", Code.ResourceExhausted),
    new ConnectError("protocol error: premature end of stream", Code.InvalidArgument),
    new ConnectError("write EPIPE", Code.Internal),
  ])("$message, which the other side never said, is an answer that broke off", (error) => {
    expect(toPeerFailed(error).code).toBe("unavailable");
  });

  it("is one short line, whatever the other side wrote", () => {
    const { message } = toPeerFailed(
      new ConnectError(`a\r\n\u001b[31mb${"c".repeat(10_000)}`, Code.Internal),
    );
    expect(message).toMatch(/^a \[31mbc+$/);
    expect(message.length).toBe(300);
  });

  it("may be nothing that anybody throws", () => {
    expect(toPeerFailed("odd")).toMatchObject({ name: "PeerFailed", code: "unavailable", message: "odd" });
  });
});

describe("a hint when to ask again", () => {
  const hintOf = (headers: Record<string, string>, code = Code.ResourceExhausted) =>
    toPiezaError(fromWire(new ConnectError("later", code, headers))).retryAfterMs;

  it("is read in milliseconds, else in seconds", () => {
    expect(hintOf({ "retry-after-ms": "250", "retry-after": "1" })).toBe(250);
    expect(hintOf({ "retry-after": "3" })).toBe(3_000);
    expect(hintOf({})).toBeUndefined();
  });

  it("is an hour at most, and nothing where it is no number", () => {
    expect(hintOf({ "retry-after": "9999999999" })).toBe(3_600_000);
    for (const odd of ["-1", "1e9", "Fri, 31 Dec 1999 23:59:59 GMT", "NaN"]) {
      expect(hintOf({ "retry-after": odd }), odd).toBeUndefined();
    }
  });

  it("counts only where asking again may help", () => {
    expect(hintOf({ "retry-after": "3" }, Code.NotFound)).toBeUndefined();
  });
});

/** The mark that the library gives to errors that came in an answer. */
function fromWire(error: ConnectError): ConnectError {
  error.isWireError = true;
  return error;
}

/** What a raw server does with a connection, after the first bytes came. */
type Conduct = (socket: net.Socket) => void;

const http1: Record<string, { code: ErrorCode; conduct: Conduct }> = {
  "closes before it answers": { code: "unavailable", conduct: (socket) => socket.end() },
  "resets before it answers": { code: "unavailable", conduct: (socket) => socket.resetAndDestroy() },
  "answers a web page": { code: "unavailable", conduct: says("200 OK", "text/html", "<h1>hello</h1>") },
  "sends us elsewhere": {
    code: "unavailable",
    conduct: says("302 Found", "text/html", "", "location: /\r\n"),
  },
  "does not know the path": { code: "unimplemented", conduct: says("404 Not Found", "text/plain", "") },
  "is overloaded": { code: "unavailable", conduct: says("503 Service Unavailable", "text/plain", "") },
  "asks us to slow down": { code: "unavailable", conduct: says("429 Too Many Requests", "text/plain", "") },
  "breaks off in the body": {
    code: "unavailable",
    conduct: (socket) =>
      socket.end("HTTP/1.1 200 OK\r\ncontent-type: application/proto\r\ncontent-length: 99\r\n\r\n\n"),
  },
};

function says(status: string, type: string, body: string, more = ""): Conduct {
  const head = `HTTP/1.1 ${status}\r\ncontent-type: ${type}\r\n${more}content-length: ${body.length}\r\n\r\n`;
  return (socket) => socket.end(head + body);
}

describe("a peer that", () => {
  it("is not there failed", async () => {
    const server = net.createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    for (const kind of ["connect", "grpc"] as const) {
      for (const host of ["127.0.0.1", "nobody.invalid"]) {
        const error = await pieceFrom(`http://${host}:${port}`, kind);
        expect(error, `${host} over ${kind}`).toMatchObject({ name: "PeerFailed", code: "unavailable" });
      }
    }
  });

  it.each(["connect", "grpc", "grpc-web"] as const)("says nothing failed over %s", async (kind) => {
    const url = await raw(() => {});
    expect(await pieceFrom(url, kind, 200)).toMatchObject({ name: "PeerFailed", code: "deadline_exceeded" });
  });

  it.each(["connect", "grpc", "grpc-web"] as const)("has a bug failed over %s", async (kind) => {
    const getPiece = () => Promise.reject(new Error("a path and a secret"));
    const peer = await startTestPeer({ getPiece }, { log: () => {} });
    ends.push(() => peer.close({ graceMs: 0 }));
    const error = await pieceFrom(peer.url, kind);
    expect(error).toMatchObject({ name: "PeerFailed", code: "internal", message: "internal error" });
  });

  it.each(["connect", "grpc", "grpc-web"] as const)(
    "says canceled over %s failed: only our signal aborts",
    async (kind) => {
      const getPiece = () => Promise.reject(new ConnectError("enough", Code.Canceled));
      const peer = await startTestPeer({ getPiece });
      ends.push(() => peer.close({ graceMs: 0 }));
      expect(await pieceFrom(peer.url, kind)).toMatchObject({ name: "PeerFailed", code: "unavailable" });
    },
  );
});

describe("a peer over HTTP/1.1 that", () => {
  it.each(Object.entries(http1))("%s failed", async (_what, { code, conduct }) => {
    expect(await pieceFrom(await raw(conduct), "connect")).toMatchObject({ name: "PeerFailed", code });
  });

  it("speaks garbage failed", async () => {
    const url = await raw((socket) => socket.end(Buffer.alloc(2_000, "\u0000garbage\r\n")));
    for (const kind of ["connect", "grpc-web", "grpc"] as const) {
      expect(await pieceFrom(url, kind), kind).toBeInstanceOf(PeerFailed);
    }
  });
});

describe("a peer over HTTP/2 that", () => {
  const http2Peer = (onStream: (stream: http2.ServerHttp2Stream) => void) => {
    const server = http2.createServer();
    server.on("session", (session) => session.on("error", () => {}));
    server.on("stream", (stream) => {
      stream.on("error", () => {});
      onStream(stream);
    });
    return listening(server);
  };
  /** Calls back once the client has taken the first bytes of the answer: it says so by an answer to a ping after them. */
  const begins = (stream: http2.ServerHttp2Stream, begun: () => void) => {
    stream.respond({ ":status": 200, "content-type": "application/grpc" });
    stream.write(Buffer.from([0, 0, 0, 1, 0, 1, 2, 3]), () => stream.session?.ping(begun));
  };

  it.each([
    ["destroys the session in the middle", (stream) => stream.session?.destroy()],
    ["destroys the connection in the middle", (stream) => stream.session?.socket.destroy()],
    ["resets the stream", (stream) => stream.close(http2.constants.NGHTTP2_CANCEL)],
    ["refuses the stream", (stream) => stream.close(http2.constants.NGHTTP2_REFUSED_STREAM)],
    ["calls for calm", (stream) => stream.session?.goaway(http2.constants.NGHTTP2_ENHANCE_YOUR_CALM)],
  ] satisfies [string, (stream: http2.ServerHttp2Stream) => void][])("%s failed", async (_what, ends_) => {
    const url = await http2Peer((stream) => {
      begins(stream, () => ends_(stream));
    });
    expect(await pieceFrom(url, "grpc")).toMatchObject({ name: "PeerFailed", code: "unavailable" });
  });
});

async function raw(conduct: Conduct): Promise<string> {
  const server = net.createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => conduct(socket));
  });
  return listening(server);
}

async function listening(server: net.Server | http2.Http2Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  ends.push(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function pieceFrom(url: string, kind: TransportKind, stallMs = 5_000): Promise<unknown> {
  const { transport, close } = openTransport(url, kind, { stallMs });
  const clock = new FakeClock();
  const pieceLength = () => geometry.pieceLength;
  const peer = remotePeer({ url, transportName: kind, transport, swarm, pieceLength, clock, close });
  ends.push(() => peer.close());
  return peer
    .getPiece(geometry.index(0), { write() {} }, new AbortController().signal)
    .catch((error) => error);
}

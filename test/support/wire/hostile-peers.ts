import { once } from "node:events";
import { createServer, constants as h2, type ServerHttp2Stream } from "node:http2";
import net, { type AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import type { ErrorCode } from "#core/base/errors.ts";

/**
 * How a call for a piece ends: with no error, with a WrongPiece, or with a PeerFailed of a code. "either": fine or
 * unavailable, as the goodbye comes after the next request or before.
 */
export type Outcome = "fine" | "either" | "WrongPiece" | ErrorCode;

/** What a peer does to whoever asks it for a piece. */
export interface Conduct {
  /** "a peer that ..." */
  readonly does: string;
  /** How a call over HTTP/2 ends. */
  readonly overHttp2: Outcome;
  /** How a call over HTTP/1.1 ends. */
  readonly overHttp1: Outcome;
  /** How it ends over plain sockets, where that differs. */
  readonly overSockets?: Outcome;
  /** How it ends over gRPC-Web from Node, where that differs. */
  readonly overGrpcWeb?: Outcome;
  /** A connection came in; without it, the first byte tells the version. Returns true if that is all. */
  onConnection?(socket: net.Socket): void;
  /** A request came over HTTP/2. */
  onStream?(stream: ServerHttp2Stream): void;
  /** A request came over HTTP/1.1; `type` is its content type. */
  onRequest?(socket: net.Socket, type: string): void;
}

const BLOCK = Buffer.alloc(64 << 10);
/** Lets a page read the answer: who means harm to browsers lets them in. */
const ANY_PAGE = "access-control-allow-origin: *\r\n";
/** What a browser asks for before a call from a page. */
const PREFLIGHT =
  "HTTP/1.1 204 No Content\r\naccess-control-allow-origin: *\r\naccess-control-allow-headers: *\r\n\r\n";
/** The longest message that a frame can announce. */
const HUGE = 0xffff_ffff;

/** The conducts, each known to kill or to mislead some client of something. */
export const conducts: readonly Conduct[] = [
  {
    does: "accepts and never answers",
    overHttp2: "deadline_exceeded",
    overHttp1: "deadline_exceeded",
    onConnection: (socket) => socket.resume(),
  },
  {
    does: "closes every connection at once",
    overHttp2: "unavailable",
    overHttp1: "unavailable",
    onConnection: (socket) => socket.end(),
  },
  {
    does: "resets every connection at the first byte",
    overHttp2: "unavailable",
    overHttp1: "unavailable",
    onConnection: (socket) => socket.once("data", () => socket.resetAndDestroy()),
  },
  {
    does: "speaks neither HTTP",
    overHttp2: "unavailable",
    overHttp1: "unavailable",
    overSockets: "internal",
    onConnection: (socket) => socket.end(Buffer.alloc(2_000, "\u0000garbage\r\n")),
  },
  {
    does: "dies in the middle of a piece",
    overHttp2: "unavailable",
    overHttp1: "unavailable",
    onStream: (stream) => beginPiece(stream, 1_000, () => stream.session?.destroy()),
    onRequest: (socket, type) => {
      socket.write(Buffer.concat([head(type, 1_000), frame(type, 990), Buffer.alloc(100)]));
      setImmediate(() => socket.resetAndDestroy());
    },
  },
  {
    does: "ends its answer early, as if it were whole",
    overHttp2: "unavailable",
    overHttp1: "unavailable",
    onStream: (stream) => beginPiece(stream, 1_000, () => stream.end()),
    onRequest: (socket, type) => socket.end(Buffer.concat([head(type, 1_000), frame(type, 990)])),
  },
  {
    does: "says goodbye on the idle connection after every answer",
    overHttp2: "either",
    overHttp1: "either",
    onStream(stream) {
      stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
      stream.on("wantTrailers", () => {
        stream.sendTrailers({ "grpc-status": "0" });
        setImmediate(() => stream.session?.goaway());
      });
      stream.end(frame("application/grpc", 0));
    },
    onRequest(socket, type) {
      const trailers = Buffer.from("\u0080\0\0\0\u0010grpc-status: 0\r\n", "latin1");
      const body = isFramed(type) ? Buffer.concat([frame(type, 0), trailers]) : Buffer.alloc(0);
      socket.write(Buffer.concat([head(type, body.length), body]));
      setImmediate(() => socket.destroy());
    },
  },
  {
    does: "calls for calm",
    overHttp2: "unavailable",
    overHttp1: "unavailable",
    onStream: (stream) => stream.session?.goaway(h2.NGHTTP2_ENHANCE_YOUR_CALM),
    onRequest: (socket) => socket.end(says("429 Too Many Requests")),
  },
  {
    does: "answers a web page",
    overHttp2: "unavailable",
    overHttp1: "unavailable",
    // The library reads it as frames, and "<h1>h" announces a gigabyte.
    overGrpcWeb: "WrongPiece",
    onStream(stream) {
      stream.respond({ ":status": 200, "content-type": "text/html" });
      stream.end("<h1>hello</h1>");
    },
    onRequest: (socket) => socket.end(says("200 OK", "<h1>hello</h1>")),
  },
  {
    does: "sends us elsewhere",
    overHttp2: "unavailable",
    overHttp1: "unavailable",
    onStream: (stream) => stream.respond({ ":status": 302, location: "/elsewhere" }, { endStream: true }),
    onRequest: (socket) => socket.end(says("302 Found", "", "location: /elsewhere\r\n")),
  },
  {
    does: "does not know the path",
    overHttp2: "unimplemented",
    overHttp1: "unimplemented",
    onStream: (stream) => stream.respond({ ":status": 404 }, { endStream: true }),
    onRequest: (socket) => socket.end(says("404 Not Found")),
  },
  {
    does: "is overloaded",
    overHttp2: "unavailable",
    overHttp1: "unavailable",
    onStream: (stream) => stream.respond({ ":status": 503 }, { endStream: true }),
    onRequest: (socket) => socket.end(says("503 Service Unavailable")),
  },
  {
    does: "sends a byte now and then",
    overHttp2: "deadline_exceeded",
    overHttp1: "deadline_exceeded",
    onStream: (stream) => beginPiece(stream, 10_000, () => drip(stream)),
    onRequest(socket, type) {
      socket.write(Buffer.concat([head(type, 10_000), frame(type, 9_990)]));
      drip(socket);
    },
  },
  {
    does: "never ends its answer",
    overHttp2: "WrongPiece",
    overHttp1: "WrongPiece",
    onStream: (stream) => beginPiece(stream, HUGE, () => pour(stream)),
    onRequest(socket, type) {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-type: ${type}\r\n${ANY_PAGE}connection: close\r\n\r\n`);
      socket.write(frame(type, HUGE));
      pour(socket);
    },
  },
  {
    does: "announces 4 GiB and sends nothing of it",
    overHttp2: "WrongPiece",
    overHttp1: "WrongPiece",
    onStream: (stream) => beginPiece(stream, HUGE, () => {}),
    onRequest: (socket, type) => socket.write(Buffer.concat([head(type, HUGE + 5), frame(type, HUGE)])),
  },
  {
    does: "sends 64 MiB packed into 64 KiB that nobody offered to unpack",
    overHttp2: "unavailable",
    overHttp1: "unavailable",
    onStream(stream) {
      const bomb = packed();
      stream.respond({ ":status": 200, "content-type": "application/grpc", "grpc-encoding": "gzip" });
      stream.end(Buffer.concat([frame("application/grpc", bomb.length, 1), bomb]));
    },
    onRequest(socket, type) {
      const bomb = packed();
      const body = isFramed(type) ? Buffer.concat([frame(type, bomb.length, 1), bomb]) : bomb;
      const encoding = `${isFramed(type) ? "grpc" : "content"}-encoding: gzip\r\n`;
      socket.end(Buffer.concat([head(type, body.length, encoding), body]));
    },
  },
  {
    does: "answers HTTP/1.1 with the first frame of HTTP/2, and waits",
    overHttp2: "unavailable",
    overHttp1: "unavailable",
    overSockets: "internal",
    onStream: (stream) => stream.close(h2.NGHTTP2_REFUSED_STREAM),
    onRequest: (socket) => socket.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])),
  },
  {
    does: "never ends its headers",
    overHttp2: "unavailable",
    overHttp1: "unavailable",
    overSockets: "internal",
    onStream: (stream) => stream.respond({ ":status": 200, "x-long": "a".repeat(512 << 10) }),
    onRequest(socket) {
      socket.write("HTTP/1.1 200 OK\r\nx-long: ");
      pour(socket, Buffer.alloc(64 << 10, "a"));
    },
  },
  {
    does: "speaks of an error in a megabyte",
    overHttp2: "unavailable",
    overHttp1: "unavailable",
    onStream: (stream) =>
      stream.respond(
        {
          ":status": 200,
          "content-type": "application/grpc",
          "grpc-status": "14",
          "grpc-message": "%0a".repeat(10_000),
        },
        { endStream: true },
      ),
    onRequest: (socket) => socket.end(says("500 Internal Server Error", "x".repeat(1 << 20))),
  },
];

export interface HostilePeer {
  readonly conduct: Conduct;
  readonly url: string;
  /** Requests so far. */
  asked(): number;
  close(): Promise<void>;
}

/** A server on a free port of the loopback that does so to everybody. */
export async function startHostilePeer(conduct: Conduct): Promise<HostilePeer> {
  let asked = 0;
  const http2 = createServer();
  http2.on("session", (session) => session.on("error", () => {}));
  http2.on("stream", (stream) => {
    asked++;
    stream.on("error", () => {}).resume();
    conduct.onStream?.(stream);
  });
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).once("close", () => sockets.delete(socket));
    if (conduct.onConnection) {
      asked++;
      conduct.onConnection(socket);
      return;
    }
    socket.once("readable", () => {
      const bytes: Buffer = socket.read() ?? Buffer.alloc(0);
      socket.unshift(bytes);
      if (bytes.toString("latin1", 0, 3) === "PRI") http2.emit("connection", socket);
      else
        eachRequest(socket, (type) => {
          asked++;
          conduct.onRequest?.(socket, type);
        });
    });
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    conduct,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: () => asked,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Calls back for every request on an HTTP/1.1 connection, once all of it has come. */
function eachRequest(socket: net.Socket, answer: (type: string) => void): void {
  let text = "";
  socket.on("data", (bytes) => {
    text += bytes.toString("latin1");
    const end = text.indexOf("\r\n\r\n") + 4;
    if (end < 4) return;
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(text)?.[1] ?? 0);
    // The library sends its bodies in chunks.
    const whole = /\r\ntransfer-encoding:/i.test(text)
      ? text.endsWith("0\r\n\r\n")
      : text.length >= end + length;
    if (!whole) return;
    const type = /\r\ncontent-type: *([^\r]+)/i.exec(text)?.[1] ?? "";
    const preflight = text.startsWith("OPTIONS ");
    text = "";
    if (preflight) return void socket.write(PREFLIGHT);
    answer(type);
  });
}

function isFramed(type: string): boolean {
  return type.startsWith("application/grpc");
}

/** What stands in front of a message of so many bytes; nothing where the type has no frames. */
function frame(type: string, bytes: number, flags = 0): Buffer {
  if (!isFramed(type)) return Buffer.alloc(0);
  const head = Buffer.alloc(5);
  head.writeUInt8(flags, 0);
  head.writeUInt32BE(bytes, 1);
  return head;
}

function head(type: string, length: number, more = ""): Buffer {
  const lines = `content-type: ${type}\r\n${ANY_PAGE}${more}content-length: ${length}`;
  return Buffer.from(`HTTP/1.1 200 OK\r\n${lines}\r\n\r\n`);
}

function says(status: string, body = "", more = ""): string {
  return `HTTP/1.1 ${status}\r\ncontent-type: text/html\r\n${more}content-length: ${body.length}\r\n\r\n${body}`;
}

/** Begins an answer over HTTP/2 with a message of so many bytes, sends some of them and does the rest. */
function beginPiece(stream: ServerHttp2Stream, bytes: number, rest: () => void): void {
  stream.respond({ ":status": 200, "content-type": "application/grpc" });
  stream.write(Buffer.concat([frame("application/grpc", bytes), Buffer.alloc(100)]));
  setImmediate(rest);
}

function pour(to: net.Socket | ServerHttp2Stream, block: Buffer = BLOCK): void {
  const more = () => {
    while (!to.destroyed && to.write(block));
  };
  to.on("drain", more);
  more();
}

function drip(to: net.Socket | ServerHttp2Stream): void {
  const timer = setInterval(() => to.write("a"), 20);
  to.once("close", () => clearInterval(timer));
}

let bomb: Buffer | undefined;
function packed(): Buffer {
  bomb ??= gzipSync(Buffer.alloc(64 << 20));
  return bomb;
}

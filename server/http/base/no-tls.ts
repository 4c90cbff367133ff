import type net from "node:net";

/** The oldest version of TLS that clients and servers speak. */
export const MIN_TLS_VERSION = "TLSv1.2";

const MESSAGE = "this port speaks TLS: use https";
/** Time for the client to read the answer and close. */
const LINGER_MS = 5_000;
/** HTTP/2's error code INADEQUATE_SECURITY (RFC 9113, 7). */
export const INADEQUATE_SECURITY = 0xc;

/** Tells a client that speaks HTTP/1.1 or HTTP/2 without TLS to use https, in its own protocol, and closes. */
export function answerWithoutTls(socket: net.Socket, version: "h1" | "h2"): void {
  const late = setTimeout(() => socket.destroy(), LINGER_MS).unref();
  socket.once("close", () => clearTimeout(late)).on("error", () => socket.destroy());
  // Closing a socket with unread bytes sends a reset, which can overtake the answer.
  socket.resume();
  socket.end(version === "h1" ? http1Answer() : http2Answer());
}

/** The body is a Connect error, which people can read too. */
function http1Answer(): string {
  const body = `${JSON.stringify({ code: "unavailable", message: MESSAGE })}\n`;
  const headers = ["content-type: application/json", `content-length: ${body.length}`, "connection: close"];
  return `HTTP/1.1 400 Bad Request\r\n${headers.join("\r\n")}\r\n\r\n${body}`;
}

/** An empty SETTINGS frame, which HTTP/2 wants first, and GOAWAY with the last stream 0. */
function http2Answer(): Buffer {
  const reason = Buffer.alloc(8);
  reason.writeUInt32BE(INADEQUATE_SECURITY, 4);
  return Buffer.concat([
    frame(0x4, Buffer.alloc(0)),
    frame(0x7, Buffer.concat([reason, Buffer.from(MESSAGE)])),
  ]);
}

function frame(type: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  return Buffer.concat([head, payload]);
}

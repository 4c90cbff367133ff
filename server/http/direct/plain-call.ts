import type { Reply, RequestHead } from "../base/http-types.ts";

/** How a unary call and its answer lie in a request and a response. */
export type WireFormat = "connect" | "grpc-web" | "grpc";

const formats: ReadonlyMap<string | undefined, WireFormat> = new Map([
  ["application/proto", "connect"],
  ["application/grpc-web", "grpc-web"],
  ["application/grpc-web+proto", "grpc-web"],
  ["application/grpc", "grpc"],
  ["application/grpc+proto", "grpc"],
]);
/** In front of a gRPC message: flags, and its length in four bytes. */
const ENVELOPE_BYTES = 5;
const TRAILERS_FLAG = 0x80;
const TRAILERS = Buffer.from("grpc-status: 0\r\n", "latin1");

/** A unary call in the one shape that every client uses for small requests: POST, binary, uncompressed. */
export interface PlainCall {
  readonly format: WireFormat;
  /** The caller's own deadline, if it has one. */
  readonly timeoutMs: number | undefined;
}

/** Undefined for a call of any other shape, or with a deadline over `maxTimeoutMs`: the library answers these. */
export function plainCall(head: RequestHead, maxTimeoutMs: number): PlainCall | undefined {
  const { method, headers, httpVersionMajor } = head;
  const format = formats.get(headers["content-type"]);
  if (method !== "POST" || format === undefined) return undefined;
  if (format === "grpc" && httpVersionMajor < 2) return undefined;
  const plain =
    isIdentity(headers["content-encoding"]) &&
    isIdentity(headers["grpc-encoding"]) &&
    (headers["connect-protocol-version"] ?? "1") === "1";
  if (!plain) return undefined;
  const stated = headers[format === "connect" ? "connect-timeout-ms" : "grpc-timeout"];
  if (stated === undefined) return { format, timeoutMs: undefined };
  const timeoutMs = parseTimeout(format, String(stated));
  return timeoutMs !== undefined && timeoutMs <= maxTimeoutMs ? { format, timeoutMs } : undefined;
}

const unitMs: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 0.001,
  n: 0.000001,
};

function parseTimeout(format: WireFormat, text: string): number | undefined {
  if (format === "connect") return /^\d{1,10}$/.test(text) ? Number(text) : undefined;
  const [, digits, unit] = /^(\d{1,8})([HMSmun])$/.exec(text) ?? [];
  return digits !== undefined && unit !== undefined ? Number(digits) * unitMs[unit]! : undefined;
}

function isIdentity(encoding: string | string[] | undefined): boolean {
  return encoding === undefined || encoding === "identity";
}

/** The message in a request's body, or undefined if the body is not exactly one uncompressed message. */
export function messageIn(format: WireFormat, body: Uint8Array): Uint8Array | undefined {
  if (format === "connect") return body;
  const { byteOffset, byteLength } = body;
  if (byteLength < ENVELOPE_BYTES || body[0] !== 0) return undefined;
  const length = new DataView(body.buffer, byteOffset, byteLength).getUint32(1);
  return length === byteLength - ENVELOPE_BYTES ? body.subarray(ENVELOPE_BYTES) : undefined;
}

/** Sends a message, given in parts, as the successful answer. The parts are not copied: leave them be until it closes. */
export function sendMessage(format: WireFormat, parts: readonly Uint8Array[], reply: Reply): void {
  const length = parts.reduce((sum, part) => sum + part.byteLength, 0);
  reply.statusCode = 200;
  if (format === "connect") {
    reply.setHeader("content-type", "application/proto");
    reply.setHeader("content-length", length);
    writeAll(parts, reply);
    return;
  }
  const framed = [envelope(0, length), ...parts];
  // An answer over HTTP/2 has trailers, which a length would rule out for some proxies; its frames tell where it ends.
  if (format === "grpc") {
    reply.setHeader("content-type", "application/grpc+proto");
    reply.addTrailers({ "grpc-status": "0" });
    writeAll(framed, reply);
  } else {
    reply.setHeader("content-type", "application/grpc-web+proto");
    reply.setHeader("content-length", length + 2 * ENVELOPE_BYTES + TRAILERS.length);
    writeAll([...framed, envelope(TRAILERS_FLAG, TRAILERS.length), TRAILERS], reply);
  }
}

/** Parts shorter than this are joined with what is before them, so that an answer is two writes and not five. */
const JOIN_BYTES = 1 << 10;

/** In one go to the system, the last part together with the end. */
function writeAll(pieces: readonly Uint8Array[], reply: Reply): void {
  let last: Uint8Array | undefined;
  let isCorked = false;
  for (const piece of pieces) {
    if (last === undefined) last = piece;
    else if (last.byteLength + piece.byteLength < JOIN_BYTES) last = Buffer.concat([last, piece]);
    else {
      if (!isCorked) reply.cork();
      isCorked = true;
      reply.write(last);
      last = piece;
    }
  }
  last ??= new Uint8Array();
  // Over HTTP/1.1 text is sent together with the headers, in one write, and bytes after them.
  if (isCorked || "stream" in reply || last.byteLength >= JOIN_BYTES) reply.end(last);
  else reply.end(textOf(last), "latin1");
  if (isCorked) reply.uncork();
}

/** One character a byte. */
function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

function envelope(flags: number, length: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(ENVELOPE_BYTES);
  bytes.writeUInt8(flags, 0);
  bytes.writeUInt32BE(length, 1);
  return bytes;
}

import { parseTimeout as parseConnectTimeout } from "@connectrpc/connect/protocol-connect";
import { parseTimeout as parseGrpcTimeout } from "@connectrpc/connect/protocol-grpc";
import { FRAME_HEAD_BYTES, frameHead } from "#core/rpc/wire.ts";
import type { Reply, RequestHead } from "../base/http-types.ts";

/** The protocol of a unary call: how its message and its answer lie in the HTTP bodies. */
export type WireFormat = "connect" | "grpc-web" | "grpc";

const formats: ReadonlyMap<string | undefined, WireFormat> = new Map([
  ["application/proto", "connect"],
  ["application/grpc-web", "grpc-web"],
  ["application/grpc-web+proto", "grpc-web"],
  ["application/grpc", "grpc"],
  ["application/grpc+proto", "grpc"],
]);
const TRAILERS_FLAG = 0x80;
const TRAILERS = Buffer.from("grpc-status: 0\r\n", "latin1");

/** A unary call in the one shape that every client uses for small requests: POST, binary, uncompressed. */
export interface PlainCall {
  readonly format: WireFormat;
  /** The caller's deadline in milliseconds from now, if it set one. */
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
  const parse = format === "connect" ? parseConnectTimeout : parseGrpcTimeout;
  const { timeoutMs, error } = parse(String(stated), maxTimeoutMs);
  return error ? undefined : { format, timeoutMs };
}

function isIdentity(encoding: string | string[] | undefined): boolean {
  return encoding === undefined || encoding === "identity";
}

/** The message in a request's body, or undefined if the body is not exactly one uncompressed message. */
export function messageIn(format: WireFormat, body: Uint8Array): Uint8Array | undefined {
  if (format === "connect") return body;
  const { byteOffset, byteLength } = body;
  if (byteLength < FRAME_HEAD_BYTES || body[0] !== 0) return undefined;
  const length = new DataView(body.buffer, byteOffset, byteLength).getUint32(1);
  return length === byteLength - FRAME_HEAD_BYTES ? body.subarray(FRAME_HEAD_BYTES) : undefined;
}

/** The end of a long message. */
export interface LongRest {
  readonly bytes: number;
  /** The next one is taken when the last one has left. */
  readonly chunks: AsyncIterable<Uint8Array>;
}

/** Sends a message whose beginning is given in parts. Rejects if a chunk fails; the answer is not complete then. */
export async function sendLongMessage(
  format: WireFormat,
  parts: readonly Uint8Array[],
  { bytes, chunks }: LongRest,
  reply: Reply,
): Promise<void> {
  const length = parts.reduce((sum, part) => sum + part.byteLength, bytes);
  const { before, behind } = begin(format, length, reply);
  reply.write(Buffer.concat([...before, ...parts]));
  await writeChunks(chunks, reply);
  if (!reply.closed && !reply.destroyed) reply.end(Buffer.concat(behind));
}

/** Writes chunks as fast as the caller reads them, until it is gone. */
export async function writeChunks(
  chunks: AsyncIterable<Uint8Array>,
  reply: Pick<Reply, "closed" | "destroyed" | "write" | "once">,
): Promise<void> {
  let goOn = () => {};
  reply.once("close", () => goOn());
  for await (const chunk of chunks) {
    if (reply.closed || reply.destroyed) return;
    if (reply.write(chunk)) continue;
    await new Promise<void>((resolve) => {
      goOn = resolve;
      reply.once("drain", resolve);
    });
  }
}

/** Sets the headers of a message of `length` bytes. Returns what goes before and behind it. */
function begin(
  format: WireFormat,
  length: number,
  reply: Reply,
): { before: Uint8Array[]; behind: Uint8Array[] } {
  reply.statusCode = 200;
  if (format === "connect") {
    reply.setHeader("content-type", "application/proto");
    reply.setHeader("content-length", length);
    return { before: [], behind: [] };
  }
  const before = [frameHead(length, 0)];
  // No content-length over HTTP/2: some proxies refuse it together with trailers.
  if (format === "grpc") {
    reply.setHeader("content-type", "application/grpc+proto");
    reply.addTrailers({ "grpc-status": "0" });
    return { before, behind: [] };
  }
  reply.setHeader("content-type", "application/grpc-web+proto");
  reply.setHeader("content-length", length + 2 * FRAME_HEAD_BYTES + TRAILERS.length);
  return { before, behind: [frameHead(TRAILERS.length, TRAILERS_FLAG), TRAILERS] };
}

/**
 * Sends a message, given in parts, as the successful answer. The parts are not copied: they must not change until the
 * answer has closed.
 */
export function sendMessage(format: WireFormat, parts: readonly Uint8Array[], reply: Reply): void {
  const length = parts.reduce((sum, part) => sum + part.byteLength, 0);
  const { before, behind } = begin(format, length, reply);
  writeAll([...before, ...parts, ...behind], reply);
}

/** Neighbouring parts are joined while shorter than this, so that a small answer is two writes and not five. */
const JOIN_BYTES = 1 << 10;

/** Hands all parts to the system in one go, the last one together with the end of the answer. */
function writeAll(parts: readonly Uint8Array[], reply: Reply): void {
  let last: Uint8Array | undefined;
  let isCorked = false;
  for (const part of parts) {
    if (last === undefined) last = part;
    else if (last.byteLength + part.byteLength < JOIN_BYTES) last = Buffer.concat([last, part]);
    else {
      if (!isCorked) reply.cork();
      isCorked = true;
      reply.write(last);
      last = part;
    }
  }
  last ??= new Uint8Array();
  // Over HTTP/1.1 Node sends text in one write with the headers, but bytes in a second write.
  if (isCorked || "stream" in reply || last.byteLength >= JOIN_BYTES) reply.end(last);
  else reply.end(latin1Of(last), "latin1");
  if (isCorked) reply.uncork();
}

/** The bytes as text of one character for each byte. */
function latin1Of(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

let latest = { ms: 0, text: "" };

/** The current time as an HTTP date (RFC 9110, 5.6.7). The text is made once a second. */
export function httpDate(): string {
  const ms = Math.floor(Date.now() / 1_000) * 1_000;
  if (ms !== latest.ms) latest = { ms, text: new Date(ms).toUTCString() };
  return latest.text;
}

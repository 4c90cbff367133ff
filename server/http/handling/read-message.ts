import { createGunzip } from "node:zlib";
import type { DescMessage, Message } from "@bufbuild/protobuf";
import { parseContentType as parseConnectType } from "@connectrpc/connect/protocol-connect";
import { parseContentType as parseGrpcType } from "@connectrpc/connect/protocol-grpc";
import { parseContentType as parseGrpcWebType } from "@connectrpc/connect/protocol-grpc-web";
import { PiezaError } from "#core/base/errors.ts";
import { checkValues, MalformedMessage } from "#core/rpc/message-bounds.ts";
import { FRAME_HEAD_BYTES, frameHead, readFrameHead } from "#core/rpc/wire.ts";
import { LongWork } from "../../base/long-work.ts";
import type { BodyRoom } from "../guards/body-room.ts";
import type { Call, Route } from "../guards/gates.ts";
import { decodeBinary } from "./sliced-binary.ts";
import { decodeJson } from "./sliced-json.ts";

/** A message up to this length is decoded by the library, at once. */
const SHORT_BYTES = 32 << 10;
const COMPRESSED_FLAG = 1;

/** How the message of a request is encoded, framed and compressed, and how long it may be. */
export interface MessageForm {
  readonly schema: DescMessage;
  readonly mostBytes: number;
  readonly binary: boolean;
  readonly framed: boolean;
  /** The header that names the compression, and whether that is gzip. */
  readonly encoding: string;
  readonly gzip: boolean;
}

/** What the library gets instead of a request's body. */
export interface ReadMessage {
  /** One uncompressed message, or bytes that make the library fail as it does with the body. */
  readonly body: Uint8Array;
  /** The decoded message, if it was too long for the library; `body` then has an empty one. */
  readonly message: Message | undefined;
  /** The header that names a compression, which `body` does not have. */
  readonly encoding: string;
}

/** A byte that is no message. */
const MALFORMED = Uint8Array.of(7);

/** The long messages of this process are decoded one at a time. */
const longMessages = new LongWork();

/** The form of a call's message. Undefined for a stream of messages, and for calls whose body the library ignores. */
export function messageForm({ head, route }: Call<Route>): MessageForm | undefined {
  const { method, policy } = route;
  const shape =
    head.method === "POST" && policy.oneMessage ? shapeOf(head.headers["content-type"]) : undefined;
  if (!shape || !method) return undefined;
  const compression = head.headers[shape.encoding] ?? "identity";
  // The library refuses any other, before it reads the body.
  if (compression !== "identity" && compression !== "gzip") return undefined;
  return { ...shape, schema: method.input, mostBytes: policy.requestBytes, gzip: compression === "gzip" };
}

/**
 * Reads the one message of a call before the library does: within the memory of `room`, unpacked, its values counted
 * before they become objects, and a long one decoded in parts between which other calls are answered. Fails with
 * PiezaError: resource_exhausted or invalid_argument.
 */
export async function readMessage(
  form: MessageForm,
  body: AsyncIterable<Uint8Array>,
  room: BodyRoom,
): Promise<ReadMessage> {
  const { mostBytes, binary, framed, encoding, gzip } = form;
  const sent = await readAll(body, mostBytes, room);
  const single = framed ? oneFrame(sent) : { message: sent, compressed: gzip };
  const faulty = { message: undefined, encoding };
  if (!single) return { ...faulty, body: faultOf(sent) };
  if (single.compressed && !gzip) return { ...faulty, body: frameHead(0, COMPRESSED_FLAG) };
  const bytes = single.compressed ? await inflate(single.message, mostBytes, room) : single.message;
  if (bytes.length > mostBytes) throw tooLong(mostBytes);
  let plain = bytes;
  let message: Message | undefined;
  try {
    message = await decoded(form, bytes);
    if (message) plain = binary ? new Uint8Array() : Buffer.from("{}");
  } catch (error) {
    if (!(error instanceof MalformedMessage)) throw error;
    plain = MALFORMED;
  }
  const whole = framed ? Buffer.concat([frameHead(plain.length), plain]) : plain;
  return { body: whole, message, encoding };
}

/** Checks a message, and decodes it if it is long. */
async function decoded({ schema, binary }: MessageForm, bytes: Uint8Array): Promise<Message | undefined> {
  if (bytes.length > SHORT_BYTES) {
    const decode = binary ? decodeBinary : decodeJson;
    return longMessages.run((breathe) => decode(schema, bytes, breathe));
  }
  if (binary) checkValues(schema, bytes);
  return undefined;
}

/** The shape that a content-type names. Undefined for a type that the library refuses. */
function shapeOf(
  contentType: string | undefined,
): Pick<MessageForm, "binary" | "framed" | "encoding"> | undefined {
  const type = contentType ?? null;
  const grpc = parseGrpcType(type);
  if (grpc) return { binary: grpc.binary, framed: true, encoding: "grpc-encoding" };
  const grpcWeb = parseGrpcWebType(type);
  if (grpcWeb) {
    return grpcWeb.text ? undefined : { binary: grpcWeb.binary, framed: true, encoding: "grpc-encoding" };
  }
  const connect = parseConnectType(type);
  if (!connect) return undefined;
  const encoding = connect.stream ? "connect-content-encoding" : "content-encoding";
  return { binary: connect.binary, framed: connect.stream, encoding };
}

/** How much longer than its message a body may be: gzip adds a little to what it cannot compress. */
const SLACK_BYTES = 32 << 10;

async function readAll(
  body: AsyncIterable<Uint8Array>,
  mostBytes: number,
  room: BodyRoom,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > mostBytes + SLACK_BYTES) throw tooLong(mostBytes);
    room.holds(length);
    chunks.push(chunk);
  }
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
}

/** Unpacks gzip, at most `mostBytes`, and takes room for the bytes as they come. */
async function inflate(packed: Uint8Array, mostBytes: number, room: BodyRoom): Promise<Uint8Array> {
  const gunzip = createGunzip();
  gunzip.end(packed);
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of gunzip as AsyncIterable<Uint8Array>) {
      length += chunk.length;
      if (length > mostBytes) throw tooLong(mostBytes);
      room.holds(packed.length + length);
      chunks.push(chunk);
    }
  } catch (cause) {
    if (cause instanceof PiezaError) throw cause;
    throw new PiezaError("invalid_argument", "the body is not gzip", { cause });
  }
  return Buffer.concat(chunks);
}

/** The message in a body of exactly one frame. */
function oneFrame(body: Uint8Array): { message: Uint8Array; compressed: boolean } | undefined {
  if (body.length < FRAME_HEAD_BYTES) return undefined;
  const { flags, length } = readFrameHead(body);
  if (length !== body.length - FRAME_HEAD_BYTES || flags > COMPRESSED_FLAG) return undefined;
  return { message: body.subarray(FRAME_HEAD_BYTES), compressed: flags === COMPRESSED_FLAG };
}

/** A few bytes in which the library finds the fault of a body that is not one frame, without decoding anything. */
function faultOf(body: Uint8Array): Uint8Array {
  if (body.length < FRAME_HEAD_BYTES) return body;
  const { flags, length } = readFrameHead(body);
  const isCutOff = length > body.length - FRAME_HEAD_BYTES;
  if (isCutOff) return body.subarray(0, FRAME_HEAD_BYTES + 1);
  return Buffer.concat([frameHead(0, flags), frameHead(0)]);
}

function tooLong(mostBytes: number): PiezaError {
  return new PiezaError(
    "resource_exhausted",
    `the message is longer than the ${mostBytes} bytes that are taken here`,
  );
}

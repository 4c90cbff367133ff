import {
  create,
  type DescMessage,
  type DescMethod,
  fromBinary,
  fromJson,
  type MessageInitShape,
  type MessageShape,
  toBinary,
  toJson,
} from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { codeFromString } from "@connectrpc/connect/protocol-connect";
import type { RawAnswer, RawRequest } from "./raw-call.ts";

/** The four ways to write a unary call that our servers answer. */
export const wireFormats = ["connect-json", "connect", "grpc-web", "grpc"] as const;
export type WireFormat = (typeof wireFormats)[number];

const contentTypes: Record<WireFormat, string> = {
  "connect-json": "application/json",
  connect: "application/proto",
  "grpc-web": "application/grpc-web+proto",
  grpc: "application/grpc+proto",
};

/** What an answer says: the message of a success, or a code of lowercase words and the text with it. */
export type Said<T> = { readonly message: T } | { readonly code: string; readonly text: string };

export function isFramed(format: WireFormat): boolean {
  return format.startsWith("grpc");
}

/** In front of a message: flags, and its length in four bytes. */
export function framed(bytes: Uint8Array, flags = 0): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(flags, 0);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

/** A call of a method, `body` as the format has it unless another is given. */
export function callOf<I extends DescMessage>(
  format: WireFormat,
  method: DescMethod & { input: I },
  init: MessageInitShape<I>,
): Required<RawRequest> {
  const message = create(method.input, init);
  const isJson = format === "connect-json";
  const bytes = isJson
    ? Buffer.from(JSON.stringify(toJson(method.input, message, { useProtoFieldName: true })))
    : toBinary(method.input, message);
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    method: "POST",
    headers: { "content-type": contentTypes[format], ...(format === "grpc" && { te: "trailers" }) },
    body: isFramed(format) ? framed(bytes) : bytes,
  };
}

/** How a format says that the caller waits no longer than this. */
export function deadline(format: WireFormat, ms: number): Record<string, string> {
  return isFramed(format) ? { "grpc-timeout": `${ms}m` } : { "connect-timeout-ms": String(ms) };
}

/** How a format says that its message is compressed. */
export function compressed(format: WireFormat, encoding: string): Record<string, string> {
  return isFramed(format) ? { "grpc-encoding": encoding } : { "content-encoding": encoding };
}

/** Reads an answer as a client of the format would. */
export function read<O extends DescMessage>(
  format: WireFormat,
  method: DescMethod & { output: O },
  answer: RawAnswer,
): Said<MessageShape<O>> {
  if (isFramed(format)) return readFramed(format, method, answer);
  if (answer.status !== 200) {
    if (answer.headers["content-type"] !== "application/json")
      return { code: `HTTP ${answer.status}`, text: "" };
    const { code, message = "" } = JSON.parse(answer.body.toString()) as { code: string; message?: string };
    return { code, text: message };
  }
  const message =
    format === "connect-json"
      ? fromJson(method.output, JSON.parse(answer.body.toString()))
      : fromBinary(method.output, answer.body);
  return { message };
}

function readFramed<O extends DescMessage>(
  format: WireFormat,
  method: DescMethod & { output: O },
  answer: RawAnswer,
): Said<MessageShape<O>> {
  if (answer.status !== 200) return { code: `HTTP ${answer.status}`, text: "" };
  let { trailers } = answer;
  let message: Buffer | undefined;
  for (let at = 0; at < answer.body.length; ) {
    const end = at + 5 + answer.body.readUInt32BE(at + 1);
    const bytes = answer.body.subarray(at + 5, end);
    if (format === "grpc-web" && answer.body[at] === 0x80) trailers = fieldsOf(bytes.toString());
    else message = bytes;
    at = end;
  }
  const said = { ...answer.headers, ...trailers };
  const status = Number(said["grpc-status"]);
  if (status !== 0) {
    const code = Code[status]?.replace(/(?<=[a-z])(?=[A-Z])/g, "_").toLowerCase() ?? `status ${status}`;
    if (codeFromString(code) !== status) throw new Error(`no code for ${status}`);
    return { code, text: decodeURIComponent(said["grpc-message"] ?? "") };
  }
  return { message: fromBinary(method.output, message!) };
}

function fieldsOf(text: string): Record<string, string> {
  const lines = text.split("\r\n").filter((line) => line !== "");
  return Object.fromEntries(lines.map((line) => line.split(/: ?(.*)/, 2)) as [string, string][]);
}

import { PiezaError } from "../base/errors.ts";
import { MAX_FILES, MAX_PIECES } from "../torrent/piece.ts";

/**
 * The protobuf wire format, for the few small messages before a download's first byte. Loading the library and
 * building its descriptors takes longer than everything else before that byte.
 */

const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;
const FIXED32 = 5;

const toUtf8 = new TextEncoder();
const fromUtf8 = new TextDecoder();

/** One field of a message: its number, and an integer (not exact past 2^53) or bytes. Fixed fields are left out. */
export interface Field {
  readonly number: number;
  readonly int: number;
  readonly bytes: Uint8Array;
}

const NO_BYTES = new Uint8Array(0);

/** A torrent with the most pieces and files, and some more. */
const MAX_FIELDS = MAX_PIECES + MAX_FILES + 1_024;

/** Yields the fields of a message in order. Throws PiezaError for malformed bytes and for more fields than any has. */
export function* fieldsOf(message: Uint8Array): Generator<Field> {
  let at = 0;
  let left = MAX_FIELDS;
  const varint = () => {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = message[at++];
      if (byte === undefined) break;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw malformed();
  };
  const take = (length: number) => {
    at += length;
    if (at > message.length) throw malformed();
    return message.subarray(at - length, at);
  };
  while (at < message.length) {
    const tag = varint();
    if (--left < 0) throw malformed();
    const number = tag >>> 3;
    const type = tag & 7;
    if (type === VARINT) yield { number, int: varint(), bytes: NO_BYTES };
    else if (type === LENGTH) yield { number, int: 0, bytes: take(varint()) };
    else if (type === FIXED64) take(8);
    else if (type === FIXED32) take(4);
    else throw malformed();
  }
}

function malformed(): PiezaError {
  return new PiezaError("unavailable", "the answer is not a valid message");
}

/** Adds an entry to a list that an answer may make long. Throws PiezaError if the list has `most` already. */
export function append<T>(list: T[], most: number, entry: T): void {
  if (list.length >= most) throw new PiezaError("unavailable", "the answer has more entries than it may");
  list.push(entry);
}

export function textOf(bytes: Uint8Array): string {
  return fromUtf8.decode(bytes);
}

/** Decodes a piece's number and hash: a Piece of a torrent, or a SeedPiece of a legacy peer. */
export function numberedHash(message: Uint8Array): { number: number; hash: string } {
  const piece = { number: 0, hash: "" };
  for (const { number, int, bytes } of fieldsOf(message)) {
    if (number === 1) piece.number = int >>> 0;
    else if (number === 2) piece.hash = textOf(bytes);
  }
  return piece;
}

/** Encodes a field of bytes or text. An empty one is left out, as in proto3. */
export function lengthField(number: number, value: Uint8Array | string): number[] {
  const bytes = typeof value === "string" ? toUtf8.encode(value) : value;
  return bytes.length === 0 ? [] : [...lengthPrefix(number, bytes.length), ...bytes];
}

/** Encodes the tag and length in front of such a field's bytes. */
export function lengthPrefix(number: number, length: number): number[] {
  return [...varint((number << 3) | LENGTH), ...varint(length)];
}

/** Encodes a field, of a number below 16, with a whole number below 2^32. Zero is left out, as in proto3. */
export function intField(number: number, value: number): number[] {
  return value === 0 ? [] : [...varint((number << 3) | VARINT), ...varint(value)];
}

/** The most bytes of a varint below 2^32. */
const MAX_VARINT_BYTES = 5;
/** The most bytes of such a field. */
export const MAX_INT_FIELD_BYTES = 1 + MAX_VARINT_BYTES;

/** Writes such a field at `at` and returns its end: for callers with so many fields that lists cost too much. */
export function writeIntField(bytes: Uint8Array, at: number, number: number, value: number): number {
  if (value === 0) return at;
  bytes[at] = (number << 3) | VARINT;
  return writeVarint(bytes, at + 1, value);
}

function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  let end = at;
  let rest = value;
  for (; rest >= 0x80; rest >>>= 7) bytes[end++] = (rest & 0x7f) | 0x80;
  bytes[end++] = rest;
  return end;
}

function varint(value: number): number[] {
  const bytes = new Uint8Array(MAX_VARINT_BYTES);
  return [...bytes.subarray(0, writeVarint(bytes, 0, value))];
}

/** gRPC and gRPC-Web put one byte of flags and a length in four bytes in front of each message. */
export const FRAME_HEAD_BYTES = 5;

/** The head of a frame; `flags` are 0 for an uncompressed message, and 0x80 for the trailers of gRPC-Web. */
export function frameHead(length: number, flags = 0): Uint8Array<ArrayBuffer> {
  const head = new Uint8Array(FRAME_HEAD_BYTES);
  head[0] = flags;
  for (let at = FRAME_HEAD_BYTES - 1, rest = length; at > 0; at--, rest >>>= 8) head[at] = rest;
  return head;
}

/** The flags, and the length in bytes, in the head of the frame at `at`. Throws RangeError if it is cut off. */
export function readFrameHead(bytes: Uint8Array, at = 0): { flags: number; length: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, FRAME_HEAD_BYTES);
  return { flags: view.getUint8(0), length: view.getUint32(1) };
}

import { PiezaError } from "../base/errors.ts";

/**
 * The protobuf wire format, for the few small messages on the way to a download's first byte: loading the library and
 * building its descriptors takes longer than everything else before it.
 */

const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;
const FIXED32 = 5;

const toUtf8 = new TextEncoder();
const fromUtf8 = new TextDecoder();

/** The number of one field of a message, and what it holds: a varint, not exact past 2^53, or bytes. Fixed ones are left out. */
export interface Field {
  readonly number: number;
  readonly int: number;
  readonly bytes: Uint8Array;
}

const NO_BYTES = new Uint8Array(0);

/** The fields of a message in their order. Throws PiezaError for bytes that are no message. */
export function* fieldsOf(message: Uint8Array): Generator<Field> {
  const reader = new Reader(message);
  while (!reader.atEnd) {
    const tag = reader.varint();
    const number = tag >>> 3;
    const type = tag & 7;
    if (type === VARINT) yield { number, int: reader.varint(), bytes: NO_BYTES };
    else if (type === LENGTH) yield { number, int: 0, bytes: reader.take(reader.varint()) };
    else if (type === FIXED64) reader.take(8);
    else if (type === FIXED32) reader.take(4);
    else throw malformed();
  }
}

class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  varint(): number {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw malformed();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw malformed();
  }

  take(length: number): Uint8Array {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw malformed();
    const bytes = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return bytes;
  }
}

function malformed(): PiezaError {
  return new PiezaError("unavailable", "the answer is no message of its kind");
}

export function textOf(bytes: Uint8Array): string {
  return fromUtf8.decode(bytes);
}

/** A field of bytes or text; nothing if it is empty, as proto3 leaves it out. */
export function lengthField(number: number, value: Uint8Array | string): number[] {
  const bytes = typeof value === "string" ? toUtf8.encode(value) : value;
  return bytes.length === 0 ? [] : [...lengthPrefix(number, bytes.length), ...bytes];
}

/** What comes before the bytes of such a field. */
export function lengthPrefix(number: number, length: number): number[] {
  return [...varint((number << 3) | LENGTH), ...varint(length)];
}

/** A field, its number below 16, of a whole number below 2^32; nothing for 0. */
export function intField(number: number, value: number): number[] {
  return value === 0 ? [] : [...varint((number << 3) | VARINT), ...varint(value)];
}

/** Bytes of a varint below 2^32, at most. */
const MAX_VARINT_BYTES = 5;
/** Bytes of such a field, at most. */
export const MAX_INT_FIELD_BYTES = 1 + MAX_VARINT_BYTES;

/** Writes one at `at`; returns where it ends. For who writes so many that lists are too dear. */
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
  const view = new DataView(head.buffer);
  view.setUint8(0, flags);
  view.setUint32(1, length);
  return head;
}

/** The flags, and the length in bytes, in the head of the frame at `at`. Throws RangeError if it is cut off. */
export function readFrameHead(bytes: Uint8Array, at = 0): { flags: number; length: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, FRAME_HEAD_BYTES);
  return { flags: view.getUint8(0), length: view.getUint32(1) };
}

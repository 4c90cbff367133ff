import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { PublishTorrentRequestSchema } from "../../gen/pieza/v1/catalog_pb.ts";
import { TorrentSchema } from "../../gen/pieza/v1/torrent_pb.ts";
import {
  AnnounceRequestSchema,
  AnnounceResponseSchema,
  ReplicationOrderSchema,
  WatchSwarmResponseSchema,
} from "../../gen/pieza/v1/tracker_pb.ts";
import { RegisterPeerRequestSchema } from "../../gen/tracker_pb.ts";
import { InvalidField, PiezaError } from "../base/errors.ts";
import { MAX_FILES, MAX_PIECES } from "../torrent/piece.ts";

/**
 * Values in one message: each field that its bytes or its JSON write counts once, and so do the fields of the messages
 * in it. An empty message takes two bytes on the wire and a hundred in memory, so a bound on bytes bounds nothing.
 */
const MAX_VALUES = 1 << 16;
/** A torrent with as many pieces and files as it may have: a piece or a file is three values. */
const TORRENT_VALUES = 3 * (MAX_PIECES + MAX_FILES) + 1_024;

/** The messages that may have more values than MAX_VALUES. */
const values: ReadonlyMap<string, number> = new Map([
  [TorrentSchema.typeName, TORRENT_VALUES],
  [PublishTorrentRequestSchema.typeName, TORRENT_VALUES],
  // 8 MiB of pieces with a SHA-256 each are 360,000 values.
  [RegisterPeerRequestSchema.typeName, 1 << 19],
  // A legacy file's pieces, as LocatePieces names them.
  ["pieza.v1.LocatePiecesResponse", 3 * MAX_PIECES + 1_024],
  ["pieza.v1.GetTorrentResponse", TORRENT_VALUES],
  ["pieza.v1.PeerServiceGetTorrentResponse", TORRENT_VALUES],
]);

/** Entries of the lists that have a bound below the values of their message, by message and field number. */
const entries: ReadonlyMap<string, ReadonlyMap<number, number>> = new Map([
  boundsOf(TorrentSchema, { pieces: MAX_PIECES, files: MAX_FILES, trackers: 1_024 }),
  boundsOf(AnnounceRequestSchema, {
    torrents: 1_024,
    left: 1_024,
    declined: 1_024,
    drops: 1_024,
    failures: 64,
  }),
  boundsOf(AnnounceResponseSchema, { resend: 1_024, orders: 1_024, grants: 1_024 }),
  boundsOf(ReplicationOrderSchema, { sources: 1_024 }),
  boundsOf(WatchSwarmResponseSchema, { peers: 1_024, orders: 1_024 }),
  boundsOf(RegisterPeerRequestSchema, { fileInfo: 1_024 }),
]);

function boundsOf<Desc extends DescMessage>(
  schema: Desc,
  bounds: { readonly [Name in keyof Desc["field"]]?: number },
): [typeName: string, ReadonlyMap<number, number>] {
  const field = (name: string) => schema.field[name]!.number;
  return [
    schema.typeName,
    new Map(Object.entries(bounds).map(([name, most]) => [field(name), most as number])),
  ];
}

/** The most values that a message of this type may have. */
export function mostValues({ typeName }: DescMessage): number {
  return values.get(typeName) ?? MAX_VALUES;
}

/**
 * Counts the values of a binary message before it is decoded. Throws InvalidField if a list has more entries than it
 * may, and PiezaError with resource_exhausted if all has more values, MalformedMessage if the bytes
 * are none. Takes as long as the values, not as the bytes.
 */
export function checkValues(schema: DescMessage, bytes: Uint8Array): void {
  const count = new ValueCount(schema, bytes);
  while (count.goesOn()) {}
}

/** Values that are counted in one step, which takes a millisecond. */
const STEP_VALUES = 10_000;

/** A message that is being counted. */
interface Counted {
  readonly schema: DescMessage;
  readonly end: number;
  readonly bounds: ReadonlyMap<number, number> | undefined;
  /** Entries so far, by field number, of the lists in `bounds`. */
  readonly seen: Map<number, number> | undefined;
}

/** checkValues in steps, for callers that have other things to do meanwhile. */
export class ValueCount {
  readonly #wire: Wire;
  /** The message at the place, behind those that it is in. */
  readonly #open: Counted[] = [];
  #left: number;

  constructor(schema: DescMessage, bytes: Uint8Array) {
    this.#wire = new Wire(bytes);
    this.#left = mostValues(schema);
    this.#enter(schema, bytes.length);
  }

  /** Counts on. Returns false at the end of the message, and throws as checkValues does. */
  goesOn(): boolean {
    const until = this.#left - STEP_VALUES;
    while (this.#left > until) {
      while (this.#open.at(-1)?.end === this.#wire.at) this.#open.pop();
      const message = this.#open.at(-1);
      if (!message) return false;
      this.#countField(message);
      if (this.#left < 0) throw tooManyValues();
    }
    return true;
  }

  #countField({ schema, end, bounds, seen }: Counted): void {
    const wire = this.#wire;
    const { number, wireType } = wire.tag();
    this.#left--;
    const most = bounds?.get(number);
    if (most !== undefined) {
      const count = (seen!.get(number) ?? 0) + 1;
      if (count > most) throw new InvalidField(nameOf(schema, number), `must be at most ${most}`);
      seen!.set(number, count);
    }
    const known = fieldAt(schema, number);
    // The library reads a known field as the type that it has to be, whatever its tag says: it would lose its way.
    if (known && known.wireType !== wireType) throw malformed();
    const fieldEnd = wire.endOf(wireType, end);
    if (known?.message) this.#enter(known.message, fieldEnd);
    else wire.at = fieldEnd;
  }

  #enter(schema: DescMessage, end: number): void {
    const bounds = entries.get(schema.typeName);
    this.#open.push({ schema, end, bounds, seen: bounds && new Map() });
  }
}

/** The error for a message, binary or JSON, with more values than it may have. */
export function tooManyValues(): PiezaError {
  return new PiezaError("resource_exhausted", "the message has more fields than it may");
}

function nameOf(schema: DescMessage, number: number): string {
  return schema.fields.find((field) => field.number === number)!.name;
}

interface KnownField {
  readonly wireType: number;
  /** The type of the messages in it. Undefined for other fields, and for maps, which no message here has many of. */
  readonly message: DescMessage | undefined;
}

const fields = new WeakMap<DescMessage, ReadonlyMap<number, KnownField>>();

function fieldAt(schema: DescMessage, number: number): KnownField | undefined {
  let known = fields.get(schema);
  if (!known) {
    known = new Map(schema.fields.map((field) => [field.number, knownField(field)]));
    fields.set(schema, known);
  }
  return known.get(number);
}

function knownField(field: DescField): KnownField {
  const message = field.fieldKind === "map" ? undefined : field.message;
  const isLong = message || field.fieldKind === "map" || longScalars.has(field.scalar);
  return { wireType: isLong ? LENGTH : VARINT, message };
}

const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;
const FIXED32 = 5;
/** The scalars that are not varints. No message of ours has one of fixed length or a packed list. */
const longScalars: ReadonlySet<ScalarType | undefined> = new Set([ScalarType.STRING, ScalarType.BYTES]);

/** Walks over the fields of a binary message. */
export class Wire {
  at = 0;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  tag(): { number: number; wireType: number } {
    const tag = this.varint();
    if (tag > 0xffff_ffff) throw malformed();
    return { number: tag >>> 3, wireType: tag & 7 };
  }

  /** Reads a varint; not exact past 2^53. */
  varint(): number {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#bytes[this.at++];
      if (byte === undefined) break;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw malformed();
  }

  /** Moves to the first byte of a field's value, and returns its end. Groups, which proto3 lacks, are malformed. */
  endOf(wireType: number, end: number): number {
    let length = 0;
    if (wireType === VARINT) this.varint();
    else if (wireType === LENGTH) length = this.varint();
    else if (wireType === FIXED64) length = 8;
    else if (wireType === FIXED32) length = 4;
    else throw malformed();
    if (this.at + length > end) throw malformed();
    return this.at + length;
  }
}

/** The bytes are no message. */
export class MalformedMessage extends PiezaError {
  constructor() {
    super("invalid_argument", "this is not a valid message");
  }
}

function malformed(): MalformedMessage {
  return new MalformedMessage();
}

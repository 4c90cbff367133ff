import { Bitfield } from "#core/base/bitfield.ts";
import { PiezaError } from "#core/base/errors.ts";
import { holderInTurn } from "#core/base/round-robin.ts";
import { lengthField, lengthPrefix, writeIntField } from "#core/rpc/wire.ts";
import { GetFilePiecesResponseSchema, type PeerAddresses, PeerAddressesSchema } from "#gen/tracker_pb.ts";
import type { PeerSelection } from "../locate/peer-selector.ts";
import { leastCommonMultiple } from "../locate/windows.ts";
import type { LegacyMember } from "../store/swarm-store.ts";

const PIECES = GetFilePiecesResponseSchema.field.pieces.number;
const ADDRESSES = PeerAddressesSchema.field.addresses.number;
/** The fields of an entry of a map. */
const KEY = 1;
const VALUE = 2;

/** Under the 4 MiB that gRPC clients accept by default. */
const MAX_ENCODED_BYTES = 3 << 20;

/** The holders of each piece, by number: first the one whose turn it is, then the others in the table's order. */
export type FilePieces = Record<number, Pick<PeerAddresses, "addresses">>;

/** A peer of an answer, and the pieces that it has. */
interface Holder {
  readonly address: string;
  readonly has: Bitfield;
}

/**
 * Turns a selection into the map of GetFilePieces, with the same choice of peers as LocatePieces. Throws out_of_range
 * above 3 MiB in binary and above `mostPieces`, and failed_precondition if legacy peers declare different hashes for
 * one piece.
 */
export function filePieces(selection: PeerSelection, mostPieces = Number.POSITIVE_INFINITY): FilePieces {
  const answer: FilePieces = {};
  let left = mostPieces;
  for (const { number, holders } of entriesOf(selection)) {
    if (left-- === 0) throw tooLarge();
    answer[number] = { addresses: holders.map(({ address }) => address) };
  }
  return answer;
}

/**
 * The same map in binary, as the library encodes it. Throws as filePieces does. The library takes half a second for
 * the largest.
 */
export function encodedFilePieces(selection: PeerSelection): Uint8Array {
  const fields = new Map<Holder, Uint8Array>();
  const fieldOf = (holder: Holder) => {
    const field = fields.get(holder) ?? Uint8Array.from(lengthField(ADDRESSES, holder.address));
    fields.set(holder, field);
    return field;
  };
  let bytes = new Uint8Array(1 << 10);
  let length = 0;
  for (const { number, holders, entryBytes } of entriesOf(selection)) {
    if (length + entryBytes > bytes.length) bytes = grown(bytes, length + entryBytes);
    const valueBytes = holders.reduce((sum, holder) => sum + fieldOf(holder).length, 0);
    length = writePrefix(bytes, length, PIECES, 1 + varintBytes(number) + sized(valueBytes));
    length = writeIntField(bytes, length, KEY, number);
    length = writePrefix(bytes, length, VALUE, valueBytes);
    for (const holder of holders) {
      const field = fieldOf(holder);
      bytes.set(field, length);
      length += field.length;
    }
  }
  return bytes.subarray(0, length);
}

/** Turns until the holders of every piece are in the same order again, at most `most` + 1. */
export function turnsUntilAgain(selection: PeerSelection, most: number): number {
  const holders = holdersOf(selection);
  const complete = holders.filter(({ has }) => has.complete && has.size === lastOf(holders)).length;
  const partial = holders.filter(({ has }) => !(has.complete && has.size === lastOf(holders)));
  let period = Math.max(1, complete);
  const pieces = partial.length > 0 ? lastOf(holders) : 0;
  for (let index = 0; index < pieces && period <= most; index++) {
    const having = partial.reduce((sum, { has }) => sum + Number(has.has(index)), complete);
    // A piece has as many orders as holders.
    if (having > 1) period = leastCommonMultiple(period, having);
  }
  return Math.min(period, most + 1);
}

/** The pieces that somebody has, with their holders in the order of this turn and their bytes in the answer. */
function* entriesOf(
  selection: PeerSelection,
): Generator<{ number: number; holders: Holder[]; entryBytes: number }> {
  checkOneFile(selection.legacyPeers);
  const all = holdersOf(selection);
  let encodedBytes = 0;
  for (let number = 1; number <= lastOf(all); number++) {
    const having = all.filter(({ has }) => has.has(number - 1));
    if (having.length === 0) continue;
    const first = holderInTurn(selection.turn, number, having.length);
    const holders = first === 0 ? having : [...having.slice(first), ...having.slice(0, first)];
    const entryBytes = bytesOfEntry(number, holders);
    encodedBytes += entryBytes;
    if (encodedBytes > MAX_ENCODED_BYTES) throw tooLarge();
    yield { number, holders, entryBytes };
  }
}

function holdersOf({ peers, legacyPeers }: PeerSelection): Holder[] {
  return [
    ...peers.map(({ url, bitfield }) => ({ address: addressOf(url), has: bitfield })),
    ...legacyPeers.map(({ url, pieces }) => ({ address: addressOf(url), has: numbersOf(pieces) })),
  ];
}

function lastOf(holders: readonly Holder[]): number {
  return holders.reduce((most, { has }) => Math.max(most, has.size), 0);
}

function tooLarge(): PiezaError {
  return new PiezaError(
    "out_of_range",
    "too many pieces for one answer: ask pieza.v1.TrackerService.LocatePieces",
  );
}

function checkOneFile(legacyPeers: readonly LegacyMember[]): void {
  if (legacyPeers.length < 2) return;
  const hashes = new Map<number, string>();
  for (const { pieces } of legacyPeers) {
    for (const { number, hash } of pieces) {
      if ((hashes.get(number) ?? hash) !== hash) {
        throw new PiezaError("failed_precondition", "peers declare different files of this name");
      }
      hashes.set(number, hash);
    }
  }
}

function numbersOf(pieces: LegacyMember["pieces"]): Bitfield {
  return Bitfield.of(
    pieces.at(-1)?.number ?? 0,
    pieces.map(({ number }) => number - 1),
  );
}

/** Host and port of a peer's URL, which names the port even if it is the scheme's default. */
function addressOf(url: string): string {
  return url.slice(url.indexOf("//") + 2);
}

/**
 * The binary length of one map entry: protobuf writes a tag of one byte, and a length before each text and message.
 */
function bytesOfEntry(number: number, holders: readonly Holder[]): number {
  let value = 0;
  for (const { address } of holders) value += sized(address.length);
  return sized(1 + varintBytes(number) + sized(value));
}

function grown(bytes: Uint8Array, needed: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(Math.max(2 * bytes.length, needed));
  larger.set(bytes);
  return larger;
}

/** Writes the tag and the length in front of a message. */
function writePrefix(bytes: Uint8Array, at: number, field: number, length: number): number {
  const prefix = lengthPrefix(field, length);
  bytes.set(prefix, at);
  return at + prefix.length;
}

function sized(length: number): number {
  return 1 + varintBytes(length) + length;
}

function varintBytes(value: number): number {
  return value < 1 << 7 ? 1 : value < 1 << 14 ? 2 : value < 1 << 21 ? 3 : 4;
}

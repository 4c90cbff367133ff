import { Bitfield } from "#core/base/bitfield.ts";
import { MAX_PIECE_LENGTH, MAX_PIECES } from "#core/torrent/piece.ts";
import { MAX_TARGET } from "../checks.ts";
import { bytesOfFiles } from "../rules/legacy-files.ts";
import { bytesOf } from "../rules/swarm-rules.ts";
import type { DeclaredFile, Membership, PeerLease, VolunteerSpace } from "../swarm-store.ts";
import { isDigest } from "./keys.ts";
import { isCount, isPeerUrl, isRecord, tryParseJson } from "./parse.ts";

/** What a row of a swarm's table says of one member, without the number of pieces. */
export type Said = Pick<Membership, "fileName" | "revision" | "replicationTarget" | "pieceLength"> & {
  readonly bitfield: Bitfield;
};

/** One row of a table, as putRow in scripts.ts writes it. */
export interface Row {
  /** The digest of the lease that the row belongs to. */
  readonly digest: string;
  readonly revision: number;
  /** A number of 16 digits by which rows are sorted. */
  readonly place: string;
  readonly rest: Buffer;
}

const REVISION_DIGITS = 16;
const PLACE_END = 32;
const REST_AT = 40;
const MAX_NAME_BYTES = 255;
/** Before the file name in a member's row: a flag, the length of the name, the target, the length of a piece. */
const HEAD_BYTES = 8;

export function revisionText(revision: number): string {
  return String(revision).padStart(REVISION_DIGITS, "0");
}

/** Undefined if the value is not a row: other programs may write to Redis too. */
export function parseRow(digest: string, value: Buffer): Row | undefined {
  const head = value.toString("latin1", 0, REST_AT);
  if (!isDigest(digest) || !/^\d{40}$/.test(head)) return undefined;
  const revision = Number(head.slice(0, REVISION_DIGITS));
  if (!Number.isSafeInteger(revision)) return undefined;
  return { digest, revision, place: head.slice(REVISION_DIGITS, PLACE_END), rest: value.subarray(REST_AT) };
}

/** The arguments of putRow for one member: revision, bytes and the rest of the row. */
export function encodeSaid(said: Said): [string, string, Buffer] {
  const { fileName, revision, bitfield, replicationTarget = 0, pieceLength = 0 } = said;
  const name = Buffer.from(fileName);
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt8(bitfield.complete ? 1 : 0, 0);
  head.writeUInt8(name.length, 1);
  head.writeUInt16BE(replicationTarget, 2);
  head.writeUInt32BE(pieceLength, 4);
  const bits = bitfield.complete ? [] : [bitfield.toBytes()];
  const bytes = String(bytesOf(bitfield)).padStart(8, "0");
  return [revisionText(revision), bytes, Buffer.concat([head, name, ...bits])];
}

/** Reads a member's row. Undefined if it is malformed. `full` returns the bitfield that complete members share. */
export function decodeSaid({ revision, rest }: Row, totalPieces: number, full: () => Bitfield) {
  if (rest.length <= HEAD_BYTES) return undefined;
  const [flag, nameBytes = 0] = rest;
  const replicationTarget = rest.readUInt16BE(2);
  const pieceLength = rest.readUInt32BE(4);
  const fileName = rest.toString("utf8", HEAD_BYTES, HEAD_BYTES + nameBytes);
  const bits = rest.subarray(HEAD_BYTES + nameBytes);
  if (replicationTarget > MAX_TARGET || pieceLength > MAX_PIECE_LENGTH) return undefined;
  if (Buffer.byteLength(fileName) !== nameBytes || nameBytes === 0) return undefined;
  const said = { fileName, revision, replicationTarget, pieceLength };
  if (flag === 1) return bits.length === 0 ? { ...said, bitfield: full() } : undefined;
  try {
    return flag === 0 ? { ...said, bitfield: Bitfield.fromBytes(totalPieces, bits) } : undefined;
  } catch {
    return undefined;
  }
}

/**
 * A lease as JSON behind one letter. The letter "s" and the field `seed` mark a legacy peer; they keep these names so
 * that a running store stays readable.
 */
export function encodeLease(lease: PeerLease): string {
  const { legacy: seed, ...others } = lease;
  const identifyKey = Buffer.from(lease.identifyKey).toString("hex");
  return (seed ? "s" : "p") + JSON.stringify({ ...others, seed, identifyKey });
}

/** Reads the value of encodeLease. Undefined if it is malformed. */
export function decodeLease(value: Buffer): PeerLease | undefined {
  const json = tryParseJson(value.toString("utf8", 1));
  if (!isRecord(json)) return undefined;
  const { id, secretHash, address, url, source, identifyKey, listed, notListedReason, draining, seed } = json;
  const { zone, volunteer, checkAtSeconds, checkFailures } = json;
  if (checkAtSeconds !== undefined && !isCount(checkAtSeconds)) return undefined;
  if (checkFailures !== undefined && !isCount(checkFailures)) return undefined;
  if (zone !== undefined && !isName(zone)) return undefined;
  if (volunteer !== undefined && !isSpace(volunteer)) return undefined;
  const texts = [id, secretHash, address, url, source, identifyKey, notListedReason];
  if (!texts.every((text) => typeof text === "string" && text.length <= 2_048)) return undefined;
  if (typeof listed !== "boolean" || typeof draining !== "boolean") return undefined;
  const key = bytes(identifyKey as string);
  if (!/^[0-9a-f]{64}$/.test(secretHash as string) || !key || (key.length !== 0 && key.length !== 32))
    return undefined;
  if (url !== "" && !isPeerUrl(url as string)) return undefined;
  return {
    id: id as string,
    secretHash: secretHash as string,
    address: address as string,
    url: url as string,
    source: source as string,
    identifyKey: key,
    listed,
    notListedReason: notListedReason as string,
    draining,
    ...(typeof seed === "boolean" && { legacy: seed }),
    ...(zone !== undefined && { zone }),
    ...(volunteer !== undefined && { volunteer }),
    ...(checkAtSeconds !== undefined && { checkAtSeconds }),
    ...(checkFailures !== undefined && { checkFailures }),
  };
}

/** The files of a legacy peer as JSON, and the bytes that count for them. */
export function encodeFiles(files: readonly DeclaredFile[]): { value: string; bytes: number } {
  const value = JSON.stringify(
    files.map(({ fileName, pieces }) => [fileName, pieces.map(({ number, hash }) => [number, hash])]),
  );
  return { value, bytes: bytesOfFiles(files) };
}

/** Reads the value of encodeFiles. Undefined if any file is malformed. */
export function decodeFiles(value: Buffer): DeclaredFile[] | undefined {
  const json = tryParseJson(value.toString());
  if (!Array.isArray(json)) return undefined;
  const files: DeclaredFile[] = [];
  for (const file of json) {
    const [fileName, pieces] = Array.isArray(file) ? file : [];
    if (!isName(fileName) || fileName === "" || !Array.isArray(pieces) || !pieces.every(isPiece))
      return undefined;
    files.push({ fileName, pieces: pieces.map(([number, hash]) => ({ number, hash })) });
  }
  return files;
}

function isSpace(space: unknown): space is VolunteerSpace {
  if (!isRecord(space)) return false;
  const { capacityBytes, freeBytes, bytesPerSecond, saidAtMs } = space;
  return [capacityBytes, freeBytes, bytesPerSecond, saidAtMs].every(isCount);
}

function isPiece(piece: unknown): piece is [number, string] {
  if (!Array.isArray(piece)) return false;
  const [number, hash] = piece;
  return Number.isInteger(number) && number >= 1 && number <= MAX_PIECES && isName(hash);
}

function isName(text: unknown): text is string {
  return typeof text === "string" && Buffer.byteLength(text) <= MAX_NAME_BYTES;
}

/** The bytes of a text in hex, as a plain Uint8Array and not a Buffer; undefined if it is not hex. */
function bytes(text: string): Uint8Array | undefined {
  return /^([0-9a-f]{2})*$/.test(text) ? Uint8Array.from(Buffer.from(text, "hex")) : undefined;
}

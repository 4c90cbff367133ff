import { StoreFailed } from "../base/errors.ts";
import type { PieceGeometry } from "../torrent/piece.ts";

/**
 * The journal beside a working file records which pieces are verified. Disks and a page's storage share the format.
 *
 * Append-only: a header of 64 bytes, then records of 12 bytes. A record that is cut short or damaged ends the
 * journal; bytes behind it count as never written. Numbers are little-endian.
 *
 *     header  0 magic (8)  8 version (4)  12 piece length (4)  16 length (8)  24 info hash (32)  60 CRC-32 of the 60
 *     record  0 kind (4)   4 piece index (4)   8 CRC-32 of the 8
 */
export const JOURNAL_VERSION = 1;
export const JOURNAL_HEADER_BYTES = 64;
export const JOURNAL_RECORD_BYTES = 12;

const MAGIC = [...new TextEncoder().encode("pieza-jl")];

export type RecordKind =
  /** The verified bytes were handed to the system. After a restart they have to be hashed again. */
  | "written"
  /** The system has confirmed that the bytes are on the disk. */
  | "durable"
  /** The piece turned out to be missing. */
  | "lost";

const KINDS: readonly (RecordKind | undefined)[] = [undefined, "written", "durable", "lost"];

export function encodeJournalHeader(infoHash: string, geometry: PieceGeometry): Uint8Array {
  const header = new Uint8Array(JOURNAL_HEADER_BYTES);
  const view = new DataView(header.buffer);
  header.set(MAGIC);
  view.setUint32(8, JOURNAL_VERSION, true);
  view.setUint32(12, geometry.pieceLength, true);
  view.setBigUint64(16, BigInt(geometry.length), true);
  for (let at = 0; at < 32; at++) header[24 + at] = Number.parseInt(infoHash.slice(at * 2, at * 2 + 2), 16);
  view.setUint32(60, crc32(header.subarray(0, 60)), true);
  return header;
}

/** One record for each of `indices`, in their order. */
export function encodeJournalRecords(kind: RecordKind, indices: readonly number[]): Uint8Array {
  const records = new Uint8Array(indices.length * JOURNAL_RECORD_BYTES);
  const view = new DataView(records.buffer);
  indices.forEach((index, n) => {
    const at = n * JOURNAL_RECORD_BYTES;
    view.setUint32(at, KINDS.indexOf(kind), true);
    view.setUint32(at + 4, index, true);
    view.setUint32(at + 8, crc32(records.subarray(at, at + 8)), true);
  });
  return records;
}

export interface JournalState {
  /** The last record of each piece; a lost piece is left out. */
  readonly pieces: Map<number, "written" | "durable">;
  /** The offset of the next record. Bytes behind it are a torn tail. */
  readonly endBytes: number;
}

/**
 * Parses a journal. Returns undefined if its header is unfinished, or zeros as a power cut may leave it: then nothing
 * was recorded. Throws StoreFailed for another torrent, other lengths, another version or another kind of file.
 */
export function parseJournal(
  bytes: Uint8Array,
  infoHash: string,
  geometry: PieceGeometry,
): JournalState | undefined {
  if (!bytes.subarray(0, JOURNAL_HEADER_BYTES).some((byte) => byte !== 0)) return undefined;
  if (bytes.length < JOURNAL_HEADER_BYTES) return undefined;
  checkHeader(bytes, encodeJournalHeader(infoHash, geometry));
  const pieces = new Map<number, "written" | "durable">();
  const records = bytes.subarray(JOURNAL_HEADER_BYTES);
  const readBytes = readJournalRecords(records, geometry, (kind, index) => {
    if (kind === "lost") pieces.delete(index);
    else pieces.set(index, kind);
  });
  return { pieces, endBytes: JOURNAL_HEADER_BYTES + readBytes };
}

/** Parses records up to the first that is cut short or damaged. Returns the bytes of the records before that. */
export function readJournalRecords(
  bytes: Uint8Array,
  geometry: PieceGeometry,
  onRecord: (kind: RecordKind, index: number) => void,
): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 0;
  for (; at + JOURNAL_RECORD_BYTES <= bytes.length; at += JOURNAL_RECORD_BYTES) {
    const kind = KINDS[view.getUint32(at, true)];
    const index = view.getUint32(at + 4, true);
    const crc = view.getUint32(at + 8, true);
    if (!kind || index >= geometry.count || crc !== crc32(bytes.subarray(at, at + 8))) break;
    onRecord(kind, index);
  }
  return at;
}

function checkHeader(found: Uint8Array, expected: Uint8Array): void {
  const view = new DataView(found.buffer, found.byteOffset, JOURNAL_HEADER_BYTES);
  if (MAGIC.some((byte, at) => found[at] !== byte)) throw new StoreFailed("the file is not a Pieza journal");
  const version = view.getUint32(8, true);
  if (version !== JOURNAL_VERSION)
    throw new StoreFailed(`the journal has version ${version}, but this program reads ${JOURNAL_VERSION}`);
  if (view.getUint32(60, true) !== crc32(found.subarray(0, 60)))
    throw new StoreFailed("the journal is damaged");
  if (expected.some((byte, at) => found[at] !== byte))
    throw new StoreFailed("the journal belongs to another torrent, or to this one with other lengths");
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let crc = n;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? 0xedb88320 ^ (crc >>> 1) : crc >>> 1;
  return crc;
});

/** CRC-32 as in zip and Ethernet. `before` is the CRC-32 of the bytes before these, to go on from. */
export function crc32(bytes: Uint8Array, before = 0): number {
  let crc = ~before;
  for (const byte of bytes) crc = CRC_TABLE[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
  return ~crc >>> 0;
}

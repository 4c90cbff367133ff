import { joinBytes } from "#core/base/bytes.ts";
import { crc32 } from "#core/ports/journal.ts";

/** One file of an archive; `path` has "/" between its parts. */
export interface ZipFile {
  readonly path: string;
  readonly blob: Blob;
}

interface Entry {
  readonly name: Uint8Array;
  readonly crc: number;
  readonly sizeBytes: number;
  readonly offset: number;
}

/** Bit 11 of the general purpose flags: names are UTF-8. */
const UTF8_NAMES = 0x0800;
/** MS-DOS date of 1 January 1980: a torrent has no dates of its files. */
const NO_DATE = 0x0021;
const ZIP64_VERSION = 45;
const MAX_32 = 0xffffffff;

/**
 * Makes an uncompressed zip out of the Blobs of the files, which takes neither memory nor disk. Each file is read
 * once for its CRC-32. All sizes are in zip64 fields, which readers have known for fifteen years and which fit any
 * file.
 */
export async function zipOf(files: readonly ZipFile[]): Promise<Blob> {
  const parts: (Uint8Array | Blob)[] = [];
  const entries: Entry[] = [];
  let offset = 0;
  for (const { path, blob } of files) {
    const entry = {
      name: new TextEncoder().encode(path),
      crc: await crcOf(blob),
      sizeBytes: blob.size,
      offset,
    };
    const header = localHeader(entry);
    parts.push(header, blob);
    entries.push(entry);
    offset += header.byteLength + blob.size;
  }
  const directory = entries.map(directoryHeader);
  const directoryBytes = directory.reduce((sum, header) => sum + header.byteLength, 0);
  parts.push(...directory, endOfArchive(entries.length, offset, directoryBytes));
  return new Blob(parts as BlobPart[], { type: "application/zip" });
}

async function crcOf(blob: Blob): Promise<number> {
  let crc = 0;
  const reader = blob.stream().getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return crc;
    crc = crc32(value, crc);
  }
}

/** The part that the local and the directory header share: from "version needed" to the length of the extra field. */
function common(entry: Entry, extraBytes: number): Uint8Array {
  return fields([
    [2, ZIP64_VERSION],
    [2, UTF8_NAMES],
    [2, 0],
    [2, 0],
    [2, NO_DATE],
    [4, entry.crc],
    [4, MAX_32],
    [4, MAX_32],
    [2, entry.name.length],
    [2, extraBytes],
  ]);
}

function localHeader(entry: Entry): Uint8Array {
  const extra = fields([
    [2, 1],
    [2, 16],
    [8, entry.sizeBytes],
    [8, entry.sizeBytes],
  ]);
  return joinBytes([fields([[4, 0x04034b50]]), common(entry, extra.length), entry.name, extra]);
}

function directoryHeader(entry: Entry): Uint8Array {
  const extra = fields([
    [2, 1],
    [2, 24],
    [8, entry.sizeBytes],
    [8, entry.sizeBytes],
    [8, entry.offset],
  ]);
  const start = fields([
    [4, 0x02014b50],
    [2, ZIP64_VERSION],
  ]);
  const rest = fields([
    [2, 0],
    [2, 0],
    [2, 0],
    [4, 0],
    [4, MAX_32],
  ]);
  return joinBytes([start, common(entry, extra.length), rest, entry.name, extra]);
}

/** The zip64 end record, the locator that points to it, and the old end record that sends readers to the locator. */
function endOfArchive(count: number, directoryAt: number, directoryBytes: number): Uint8Array {
  const end64 = fields([
    [4, 0x06064b50],
    [8, 44],
    [2, ZIP64_VERSION],
    [2, ZIP64_VERSION],
    [4, 0],
    [4, 0],
    [8, count],
    [8, count],
    [8, directoryBytes],
    [8, directoryAt],
  ]);
  const locator = fields([
    [4, 0x07064b50],
    [4, 0],
    [8, directoryAt + directoryBytes],
    [4, 1],
  ]);
  const end = fields([
    [4, 0x06054b50],
    [2, 0xffff],
    [2, 0xffff],
    [2, 0xffff],
    [2, 0xffff],
    [4, MAX_32],
    [4, MAX_32],
    [2, 0],
  ]);
  return joinBytes([end64, locator, end]);
}

/** Little-endian numbers of 2, 4 or 8 bytes, one after the other. */
function fields(values: readonly (readonly [bytes: 2 | 4 | 8, value: number])[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(values.reduce((sum, [bytes]) => sum + bytes, 0)));
  let at = 0;
  for (const [bytes, value] of values) {
    if (bytes === 2) view.setUint16(at, value, true);
    else if (bytes === 4) view.setUint32(at, value, true);
    else view.setBigUint64(at, BigInt(value), true);
    at += bytes;
  }
  return new Uint8Array(view.buffer);
}

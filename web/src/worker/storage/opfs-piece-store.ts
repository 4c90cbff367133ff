import { Bitfield } from "#core/base/bitfield.ts";
import { PiezaError } from "#core/base/errors.ts";
import { type Hasher, sha256 } from "#core/base/hash.ts";
import {
  encodeJournalHeader,
  encodeJournalRecords,
  parseJournal,
  type RecordKind,
} from "#core/ports/journal.ts";
import { checkHeld, checkWrite, type PieceStore } from "#core/ports/store.ts";
import type { PieceGeometry, PieceIndex } from "#core/torrent/piece.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { OpfsFile } from "./opfs-file.ts";

/** Names of the files in the folder of a download. */
export const DATA_FILE = "data";
const JOURNAL_FILE = "journal";

/** A power cut costs at most this many bytes of verified pieces. A closed or crashed tab costs none. */
const BATCH_BYTES = 16 << 20;

export interface OpfsPieceStoreOptions {
  /** The folder of the download. */
  readonly folder: FileSystemDirectoryHandle;
  readonly torrent: Torrent;
  readonly geometry: PieceGeometry;
  readonly hasher: Hasher;
  /** The pieces to make room for; undefined for all. */
  readonly wanted?: Bitfield | undefined;
}

/**
 * Stores the pieces of one torrent in one file of the private storage of the origin (OPFS), all files of a folder end
 * to end, with a journal of verified pieces beside it. Sync access handles exist only in dedicated workers.
 *
 * Invariant: a piece is recorded as "written" only after its verified bytes were handed to the operating system, and
 * as "durable" only after `flush` put them on the disk.
 */
export class OpfsPieceStore implements PieceStore {
  readonly geometry: PieceGeometry;
  readonly held: Bitfield;
  readonly #data: OpfsFile;
  readonly #journal: OpfsFile;
  #journalEnd: number;
  #wanted: Bitfield | undefined;
  #unsynced: PieceIndex[] = [];
  #unsyncedBytes = 0;
  #closed = false;

  private constructor(geometry: PieceGeometry, data: OpfsFile, journal: OpfsFile, held: Bitfield) {
    this.geometry = geometry;
    this.held = held;
    this.#data = data;
    this.#journal = journal;
    this.#journalEnd = journal.sizeBytes;
  }

  /** Opens the store with the pieces of the last run, or an empty one. Fails with StoreFailed. */
  static async open(options: OpfsPieceStoreOptions): Promise<OpfsPieceStore> {
    const { folder, geometry, wanted } = options;
    const data = await OpfsFile.open(folder, DATA_FILE);
    try {
      const journal = await OpfsFile.open(folder, JOURNAL_FILE);
      try {
        const { held, lost } = await resumed(data, journal, options);
        const store = new OpfsPieceStore(geometry, data, journal, held);
        store.want(wanted);
        store.#append("lost", lost);
        return store;
      } catch (error) {
        journal.close();
        throw error;
      }
    } catch (error) {
      data.close();
      throw error;
    }
  }

  /** Makes room for these pieces, undefined for all. `finish` checks only these. The file never shrinks. */
  want(wanted: Bitfield | undefined): void {
    const endBytes = endOf(this.geometry, wanted);
    if (this.#data.sizeBytes < endBytes) this.#data.truncate(endBytes);
    this.#wanted = wanted;
  }

  /** Ignores a piece that is held, because late bytes of another peer must not spoil it. */
  write(index: PieceIndex, offset: number, bytes: Uint8Array): void {
    checkWrite(this.geometry, index, offset, bytes.length);
    if (this.held.has(index)) return;
    this.#throwIfClosed();
    this.#data.write(bytes, this.geometry.offset(index) + offset);
  }

  commit(index: PieceIndex): void {
    if (this.held.has(index)) return;
    this.#throwIfClosed();
    this.#append("written", [index]);
    this.held.set(index);
    this.#unsynced.push(index);
    this.#unsyncedBytes += this.geometry.lengthOf(index);
    if (this.#unsyncedBytes >= BATCH_BYTES) this.#flush();
  }

  async read(index: PieceIndex): Promise<Uint8Array> {
    checkHeld(this.held, index);
    this.#throwIfClosed();
    return this.#data.read(this.geometry.offset(index), this.geometry.lengthOf(index));
  }

  async finish(): Promise<void> {
    for (const index of this.#wanted ?? this.geometry.indices()) {
      if (!this.held.has(index)) throw new PiezaError("failed_precondition", "not every piece is held");
    }
    if (!this.#closed) this.#flush();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    try {
      this.#flush();
    } finally {
      this.#closed = true;
      this.#data.close();
      this.#journal.close();
    }
  }

  /** Flushes the pieces before it records them as durable. */
  #flush(): void {
    if (this.#unsynced.length === 0) return;
    this.#data.flush();
    this.#append("durable", this.#unsynced);
    this.#journal.flush();
    this.#unsynced = [];
    this.#unsyncedBytes = 0;
  }

  #append(kind: RecordKind, indices: readonly number[]): void {
    if (indices.length === 0) return;
    const records = encodeJournalRecords(kind, indices);
    this.#journal.write(records, this.#journalEnd);
    this.#journalEnd += records.length;
  }

  #throwIfClosed(): void {
    if (this.#closed) throw new PiezaError("failed_precondition", "the store is closed");
  }
}

/**
 * Reads the pieces of an earlier run. Pieces recorded as "written" are hashed again. "durable" ones count unhashed if
 * the file is neither shorter than their end nor too long. Cuts a torn tail off the journal.
 */
async function resumed(
  data: OpfsFile,
  journal: OpfsFile,
  { torrent, geometry, hasher }: OpfsPieceStoreOptions,
): Promise<{ held: Bitfield; lost: number[] }> {
  const state = parseJournal(journal.read(0, journal.sizeBytes), torrent.infoHash, geometry);
  const held = new Bitfield(geometry.count);
  const lost: number[] = [];
  const holds = async (index: PieceIndex) => {
    const bytes = data.read(geometry.offset(index), geometry.lengthOf(index));
    return (await sha256(hasher, bytes)) === torrent.pieces[index];
  };
  const durable = Bitfield.of(
    geometry.count,
    [...(state?.pieces ?? [])].flatMap(([n, kind]) => (kind === "durable" ? [n] : [])),
  );
  const sizeRight = data.sizeBytes >= endOf(geometry, durable) && data.sizeBytes <= geometry.length;
  if (data.sizeBytes > geometry.length) data.truncate(geometry.length);
  if (state) journal.truncate(state.endBytes);
  else {
    journal.truncate(0);
    journal.write(encodeJournalHeader(torrent.infoHash, geometry), 0);
  }
  for (const [n, kind] of state?.pieces ?? []) {
    const index = geometry.index(n);
    const believed = kind === "durable" && sizeRight;
    if (believed || (await holds(index))) held.set(index);
    else lost.push(index);
  }
  return { held, lost };
}

/** End of the last of these pieces, in bytes; undefined means all pieces. */
export function endOf(geometry: PieceGeometry, pieces: Bitfield | undefined): number {
  if (!pieces) return geometry.length;
  let end = 0;
  for (const n of pieces) end = geometry.offset(geometry.index(n)) + geometry.lengthOf(geometry.index(n));
  return end;
}

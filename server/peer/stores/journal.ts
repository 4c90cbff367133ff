import {
  encodeJournalHeader,
  encodeJournalRecords,
  type JournalState,
  parseJournal,
  type RecordKind,
} from "#core/ports/journal.ts";
import type { PieceGeometry } from "#core/torrent/piece.ts";
import type { Disk } from "./disk.ts";

/** The journal of a download on a disk: see core/ports/journal.ts for what is in it. */
export class JournalFile {
  readonly #disk: Disk;
  readonly #file: number;
  #endBytes: number;

  private constructor(disk: Disk, file: number, endBytes: number) {
    this.#disk = disk;
    this.#file = file;
    this.#endBytes = endBytes;
  }

  /** A new one, with its header on the disk. */
  static async create(
    disk: Disk,
    path: string,
    infoHash: string,
    geometry: PieceGeometry,
  ): Promise<JournalFile> {
    const file = disk.open(path, "create");
    const header = encodeJournalHeader(infoHash, geometry);
    try {
      disk.write(file, header, 0);
      await disk.sync(file);
    } catch (error) {
      disk.close(file);
      throw error;
    }
    return new JournalFile(disk, file, header.length);
  }

  /**
   * An old one, its torn tail cut off. Undefined if there is none or its header was never finished. Throws StoreFailed
   * if it is not this torrent's.
   */
  static async open(
    disk: Disk,
    path: string,
    infoHash: string,
    geometry: PieceGeometry,
  ): Promise<{ journal: JournalFile; state: JournalState } | undefined> {
    const found = disk.look(path);
    if (!found) return undefined;
    const file = disk.open(path, "update");
    try {
      const bytes = new Uint8Array(found.size);
      const count = await disk.read(file, bytes, 0);
      const state = parseJournal(bytes.subarray(0, count), infoHash, geometry);
      if (!state) {
        disk.close(file);
        return undefined;
      }
      disk.truncate(file, state.endBytes);
      // The last run may have been killed before its header was on the disk.
      await disk.sync(file);
      return { journal: new JournalFile(disk, file, state.endBytes), state };
    } catch (error) {
      disk.close(file);
      throw error;
    }
  }

  /** Adds a record for each piece. One that failed half way is overwritten by the next. */
  append(kind: RecordKind, indices: readonly number[]): void {
    if (indices.length === 0) return;
    const records = encodeJournalRecords(kind, indices);
    this.#disk.write(this.#file, records, this.#endBytes);
    this.#endBytes += records.length;
  }

  sync(): Promise<void> {
    return this.#disk.sync(this.#file);
  }

  close(): void {
    this.#disk.close(this.#file);
  }
}

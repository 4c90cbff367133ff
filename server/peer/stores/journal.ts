import {
  encodeJournalHeader,
  encodeJournalRecords,
  type JournalState,
  parseJournal,
  type RecordKind,
} from "#core/ports/journal.ts";
import type { PieceGeometry } from "#core/torrent/piece.ts";
import type { Disk } from "./disk.ts";

/** The journal file of a download. core/ports/journal.ts describes its format. */
export class JournalFile {
  readonly #disk: Disk;
  readonly #file: number;
  #endBytes: number;

  private constructor(disk: Disk, file: number, endBytes: number) {
    this.#disk = disk;
    this.#file = file;
    this.#endBytes = endBytes;
  }

  /** Creates the file and flushes its header to the disk. */
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
   * Opens an existing journal and cuts off a torn record at its end. Undefined if there is no file or its header is
   * incomplete. Throws StoreFailed if the journal belongs to another torrent.
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
      // The run before may have been killed before its header reached the disk.
      await disk.sync(file);
      return { journal: new JournalFile(disk, file, state.endBytes), state };
    } catch (error) {
      disk.close(file);
      throw error;
    }
  }

  /** Appends a record for each piece. The next append overwrites one that failed half way. */
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

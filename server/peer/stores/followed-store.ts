import { type FileHandle, open } from "node:fs/promises";
import { Bitfield } from "#core/base/bitfield.ts";
import { PiezaError } from "#core/base/errors.ts";
import { type Hasher, sha256 } from "#core/base/hash.ts";
import {
  JOURNAL_HEADER_BYTES,
  JOURNAL_RECORD_BYTES,
  parseJournal,
  type RecordKind,
  readJournalRecords,
} from "#core/ports/journal.ts";
import { checkHeld } from "#core/ports/store.ts";
import type { PieceGeometry, PieceIndex } from "#core/torrent/piece.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { ignoreMissing, nodeDisk } from "./disk.ts";
import { FileMap } from "./file-map.ts";
import type { FilePieceStoreOptions } from "./file-piece-store.ts";
import { PartFiles } from "./part-files.ts";
import type { ServedStore } from "./served-torrents.ts";
import { storePaths } from "./store-paths.ts";

/** `target` is the writer's. */
export type FollowedStoreOptions = Pick<FilePieceStoreOptions, "torrent" | "geometry" | "target" | "hasher">;

/** Bytes of journal records read at once. */
const READ_BYTES = 1_024 * JOURNAL_RECORD_BYTES;

/**
 * Serves the pieces of a FilePieceStore in another process: follows its journal and takes no lock.
 *
 * Invariant: `held` is what the journal said at the last `follow`, without pieces whose bytes proved wrong. The
 * writer hashes again what a power cut may have spoilt, but possibly only after this process has read it. So a piece
 * is hashed here before its first bytes are sent.
 */
export class FollowedStore implements ServedStore {
  readonly geometry: PieceGeometry;
  readonly held: Bitfield;
  readonly #torrent: Torrent;
  readonly #hasher: Hasher;
  readonly #journal: string;
  readonly #openFiles: () => PartFiles;
  #files: PartFiles;
  readonly #checked: Bitfield;
  readonly #buffer = new Uint8Array(READ_BYTES);
  /** Identity of the journal file that was read last; another file may have its name now. */
  #identity = "";
  #readBytes = 0;

  constructor({ torrent, geometry, target, hasher }: FollowedStoreOptions) {
    const paths = storePaths(target, torrent.infoHash);
    this.geometry = geometry;
    this.held = new Bitfield(geometry.count);
    this.#torrent = torrent;
    this.#hasher = hasher;
    this.#journal = paths.journal;
    this.#checked = new Bitfield(geometry.count);
    const map = new FileMap(torrent.files, geometry.length);
    this.#openFiles = () => new PartFiles(nodeDisk, paths.part, map, "read");
    this.#files = this.#openFiles();
  }

  /**
   * Reads the journal's new records; without a journal no piece is held. Returns whether `held` has changed. Fails
   * with StoreFailed if the journal belongs to another torrent or version.
   */
  async follow(): Promise<boolean> {
    const file = await open(this.#journal, "r").catch(ignoreMissing);
    if (!file) return this.#begin("");
    try {
      const { ino, birthtimeMs, size } = await file.stat();
      const identity = `${ino} ${birthtimeMs}`;
      // A writer that restarts cuts off a torn record at the end, never one that was read here.
      let changed = identity === this.#identity && size >= this.#readBytes ? false : this.#begin(identity);
      if (this.#readBytes === 0 && !(await this.#readHeader(file))) return changed;
      while (this.#readBytes < size) {
        const { bytesRead } = await file.read(this.#buffer, 0, READ_BYTES, this.#readBytes);
        const read = readJournalRecords(this.#buffer.subarray(0, bytesRead), this.geometry, (kind, index) => {
          changed = this.#note(kind, index) || changed;
        });
        this.#readBytes += read;
        if (read < READ_BYTES) break;
      }
      return changed;
    } finally {
      await file.close();
    }
  }

  /** Fails with not_found for a piece that is not held, and with data_loss for one whose bytes have changed. */
  async read(index: PieceIndex, into?: Uint8Array): Promise<Uint8Array> {
    checkHeld(this.held, index);
    const bytes = await this.#files.read(this.geometry.offset(index), this.geometry.lengthOf(index), into);
    if (this.#checked.has(index)) return bytes;
    if ((await sha256(this.#hasher, bytes)) === this.#torrent.pieces[index]) {
      this.#checked.set(index);
      return bytes;
    }
    this.held.clear(index);
    throw new PiezaError("data_loss", `piece ${index + 1} on this disk fails its hash`);
  }

  /** Closes the files. */
  close(): Promise<void> {
    return this.#files.close();
  }

  /** False while the writer has not finished the header. */
  async #readHeader(file: FileHandle): Promise<boolean> {
    const header = new Uint8Array(JOURNAL_HEADER_BYTES);
    await file.read(header, 0, JOURNAL_HEADER_BYTES, 0);
    if (!parseJournal(header, this.#torrent.infoHash, this.geometry)) return false;
    this.#readBytes = JOURNAL_HEADER_BYTES;
    return true;
  }

  #begin(identity: string): boolean {
    if (identity === "" && this.#identity === "") return false;
    // The working files are new ones too. Reads in progress finish on the old ones.
    void this.#files.close();
    this.#files = this.#openFiles();
    this.#identity = identity;
    this.#readBytes = 0;
    const held = [...this.held];
    for (const index of held) this.#note("lost", index);
    return held.length > 0;
  }

  #note(kind: RecordKind, index: number): boolean {
    if (kind !== "lost") return this.held.set(index);
    this.#checked.clear(index);
    return this.held.clear(index);
  }
}

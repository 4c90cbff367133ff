import { basename } from "node:path";
import { Bitfield } from "#core/base/bitfield.ts";
import type { Clock } from "#core/base/clock.ts";
import { PiezaError, StoreFailed } from "#core/base/errors.ts";
import { sha256 } from "#core/base/hash.ts";
import { checkHeld, checkWrite, type PieceStore } from "#core/ports/store.ts";
import type { PieceGeometry, PieceIndex } from "#core/torrent/piece.ts";
import { nodeClock } from "../../base/node-clock.ts";
import { type Disk, nodeDisk } from "./disk.ts";
import type { JournalFile } from "./journal.ts";
import type { Lock } from "./lock.ts";
import { openWork, type Work, type WorkOptions, wantedPieces } from "./open-work.ts";
import type { PartFiles } from "./part-files.ts";
import { checkNoDevice } from "./replaceable.ts";
import { type StorePaths, storePaths } from "./store-paths.ts";

export interface FilePieceStoreOptions extends WorkOptions {
  /** Path of the finished file or folder. Its parent folder exists and also holds the working files. */
  readonly target: string;
  /**
   * When bytes are flushed to the disk: after every piece, after 16 MiB or 1 s, or never. The mode decides how much a
   * power cut costs; a killed process always loses only the pieces in flight. With "none", a power cut soon after the
   * end may spoil a file that already has its name, as with most programs. Default "batch".
   */
  readonly sync?: SyncMode | undefined;
  /** Free bytes that the disk must have at the start. Default: the wanted bytes that are not there yet. */
  readonly neededBytes?: number | undefined;
  /** Default: nodeClock. */
  readonly clock?: Clock | undefined;
  readonly disk?: Disk | undefined;
}

export type SyncMode = "piece" | "batch" | "none";

/** "batch" flushes after this many bytes or this time, whichever comes first. */
const BATCH_BYTES = 16 << 20;
const BATCH_MS = 1_000;

/**
 * Keeps the pieces of one torrent in a sparse `.part` file (for a folder, a `.part` folder) beside the target, with a
 * journal of the verified pieces.
 *
 * Invariant: the journal records a piece as "written" only after its verified bytes were handed to the system, and as
 * "durable" only after the disk has confirmed them. So after a crash or power cut at any moment, the journal and the
 * hashes together name only pieces that are there. The target gets its name only when every piece is held.
 */
export class FilePieceStore implements PieceStore {
  readonly geometry: PieceGeometry;
  readonly held: Bitfield;
  /** Bytes of the pieces that this run found in the target, or in files that the caller named. */
  readonly reusedBytes: number;
  readonly #options: FilePieceStoreOptions;
  readonly #paths: StorePaths;
  readonly #wanted: Bitfield;
  readonly #sync: SyncMode;
  readonly #disk: Disk;
  readonly #files: PartFiles;
  readonly #lock: Lock;
  /** As `Work.identity`. */
  readonly #identity: string | undefined;
  /** Undefined once the target has its name. */
  #journal: JournalFile | undefined;
  /** Held pieces that the journal records only as "written". */
  #unsynced: number[];
  #unsyncedBytes = 0;
  /** Held pieces that failed a check; the journal does not yet record them as lost. */
  readonly #rotten = new Set<number>();
  #cancelFlush: (() => void) | undefined;
  /** The requested flushes, one after the other. Never rejects. */
  #flushing = Promise.resolve();
  /** Set once a flush fails. The system may then report lost bytes as flushed, so nothing more is recorded. */
  #failure: { readonly error: unknown } | undefined;
  #named = false;
  #finishing: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  private constructor(options: FilePieceStoreOptions, paths: StorePaths, disk: Disk, work: Work) {
    this.geometry = options.geometry;
    this.held = Bitfield.of(options.geometry.count, work.held);
    this.#options = options;
    this.#paths = paths;
    this.#wanted = wantedPieces(options);
    this.#sync = options.sync ?? "batch";
    this.#disk = disk;
    this.#files = work.files;
    this.#lock = work.lock;
    this.#identity = work.identity;
    this.#journal = work.journal;
    this.#unsynced = work.unsynced;
    this.reusedBytes = this.geometry.bytesOf(Bitfield.of(this.geometry.count, work.reused));
  }

  /**
   * Continues where the last run stopped, or starts. Fails with PiezaError("failed_precondition") if another process
   * has this download open, with "already_exists" if another file has the target's name and `replace` is not set, and
   * with StoreFailed if the disk fails, is too full (`noSpace`), or the journal belongs to another torrent.
   */
  static async open(options: FilePieceStoreOptions): Promise<FilePieceStore> {
    const disk = options.disk ?? nodeDisk;
    const paths = storePaths(options.target, options.torrent.infoHash);
    const neededBytes = options.neededBytes ?? options.geometry.bytesOf(wantedPieces(options));
    const work = await openWork({ ...options, neededBytes }, paths, disk);
    const store = new FilePieceStore(options, paths, disk, work);
    try {
      if (store.#sync === "piece") await store.#flush();
      return store;
    } catch (error) {
      await store.close().catch(() => {});
      throw error;
    }
  }

  /** Ignores bytes of a held piece: late bytes from a second peer must not spoil it. */
  write(index: PieceIndex, offset: number, bytes: Uint8Array): void {
    checkWrite(this.geometry, index, offset, bytes.length);
    if (this.held.has(index)) return;
    this.#throwIfOver();
    this.#files.write(this.geometry.offset(index) + offset, bytes);
  }

  commit(index: PieceIndex): void | Promise<void> {
    if (this.held.has(index)) return;
    this.#throwIfOver();
    this.#journal!.append("written", [index]);
    this.held.set(index);
    this.#unsynced.push(index);
    this.#unsyncedBytes += this.geometry.lengthOf(index);
    if (this.#sync === "piece") return this.#flush();
    if (this.#sync === "batch") this.#flushSoon();
  }

  async read(index: PieceIndex, into?: Uint8Array): Promise<Uint8Array> {
    checkHeld(this.held, index);
    if (this.#closing) throw new PiezaError("failed_precondition", "the store is closed");
    if (this.#rotten.has(index))
      throw new PiezaError("data_loss", `piece ${index + 1} on this disk fails its hash`);
    return this.#files.read(this.geometry.offset(index), this.geometry.lengthOf(index), into);
  }

  /** Whether some of the piece lies in a file that has its final name, where its owner may change it. */
  mayChange(index: PieceIndex): boolean {
    return this.#files.mayChange(this.geometry.offset(index), this.geometry.lengthOf(index));
  }

  /**
   * Hashes a held piece again and returns whether its hash is right. A wrong piece is withdrawn: it is no longer
   * held, a restart does not trust it either, and it may be written again.
   */
  async check(index: PieceIndex): Promise<boolean> {
    const bytes = await this.read(index).catch((error: unknown) => {
      if (!(error instanceof StoreFailed)) throw error;
      return undefined;
    });
    const { hasher, torrent } = this.#options;
    if (bytes && (await sha256(hasher, bytes)) === torrent.pieces[index]) return true;
    this.#rotten.add(index);
    // Runs after all flushes in progress: a "durable" record written after the "lost" one would be believed.
    this.#flushing = this.#flushing.then(() => this.#lose(index));
    await this.#flushing;
    return false;
  }

  finish(): Promise<void> {
    this.#finishing ??= this.#finish();
    // `finish` may be called again after a failure, once there is room or the other file is gone.
    this.#finishing.catch(() => {
      this.#finishing = undefined;
    });
    return this.#finishing;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #finish(): Promise<void> {
    if (!this.#journal) return;
    this.#throwIfOver();
    for (const index of this.#wanted) {
      if (!this.held.has(index)) throw new PiezaError("failed_precondition", "a wanted piece is missing");
    }
    if (!this.#named) this.#checkNotRemoved();
    if (this.#sync !== "none") {
      await this.#flush();
      await this.#files.sync();
      await this.#files.syncFolders();
    }
    const { select } = this.#options;
    if (select && this.#leavesOut(select)) {
      this.#placeFiles(select);
      await this.#files.syncFolders();
      return this.#disk.syncFolder(this.#paths.folder);
    }
    if (!this.#named) {
      if (this.#files.map.isFolder) this.#nameFolder();
      else this.#nameFile();
      this.#files.moved(this.#paths.target);
      this.#named = true;
    }
    // The folders of files that were placed one by one have new entries.
    if (this.#sync !== "none") await this.#files.syncFolders();
    await this.#disk.syncFolder(this.#paths.folder);
    this.#journal.close();
    this.#journal = undefined;
    this.#disk.remove(this.#paths.journal);
    await this.#disk.syncFolder(this.#paths.folder);
    this.#lock.release();
  }

  /** Whether some file of a folder is neither selected nor in its place already. */
  #leavesOut(select: readonly number[]): boolean {
    const { map, placed } = this.#files;
    return map.isFolder && new Set([...select, ...placed]).size < map.files.length;
  }

  #nameFile(): void {
    const { part, target } = this.#paths;
    const there = this.#disk.look(target);
    if (there) checkNoDevice(target, there);
    if (this.#options.replace) this.#disk.rename(part, target);
    else if (!this.#disk.link(part, target)) throw this.#taken();
    else this.#disk.remove(part);
  }

  /**
   * Renames the working folder to the target. No system call renames a folder only if the new name is free, but a
   * rename can replace at most an empty folder that was made in between. In a folder that is there already, each file
   * is replaced by itself, because a person's own files may be in it.
   */
  #nameFolder(): void {
    const { part, target } = this.#paths;
    if (this.#files.placed.size === 0 && !this.#disk.look(target)) {
      this.#disk.rename(part, target);
      return;
    }
    this.#placeFiles([...this.#files.map.files.keys()]);
    this.#disk.remove(part);
  }

  #placeFiles(files: readonly number[]): void {
    const { target } = this.#paths;
    // Placing the first file claims the target folder. After that only a file inside can be in the way.
    if (this.#files.placed.size === 0 && !this.#options.replace && this.#disk.look(target))
      throw this.#taken();
    for (const file of files) {
      if (!this.#files.place(file, target, this.#options.replace))
        throw this.#taken(this.#files.map.files[file]!.path);
    }
  }

  #taken(path = ""): PiezaError {
    const name = [basename(this.#paths.target), path].filter(Boolean).join("/");
    return new PiezaError("already_exists", `${name} exists already`);
  }

  async #close(): Promise<void> {
    try {
      this.#cancelFlush?.();
      await this.#finishing?.catch(() => {});
      if (this.#journal && this.#sync !== "none" && !this.#failure) await this.#flush();
    } finally {
      await this.#flushing;
      await this.#files.close();
      this.#journal?.close();
      this.#lock.release();
    }
  }

  #flushSoon(): void {
    if (this.#unsyncedBytes >= BATCH_BYTES) {
      // The next call on this store throws the error.
      this.#flush().catch(() => {});
      return;
    }
    const { clock = nodeClock } = this.#options;
    this.#cancelFlush ??= clock.after(BATCH_MS, () => {
      this.#flush().catch(() => {});
    });
  }

  /** Makes every piece that is held now durable. */
  async #flush(): Promise<void> {
    this.#cancelFlush?.();
    this.#cancelFlush = undefined;
    this.#unsyncedBytes = 0;
    this.#flushing = this.#flushing.then(() => this.#flushOnce());
    await this.#flushing;
    this.#throwIfFailed();
  }

  async #flushOnce(): Promise<void> {
    const indices = this.#unsynced;
    if (indices.length === 0 || this.#failure) return;
    this.#unsynced = [];
    try {
      if (!this.#named) this.#checkNotRemoved();
      await this.#syncFiles(indices);
      this.#journal!.append("durable", indices);
      await this.#journal!.sync();
    } catch (error) {
      this.#failure = { error };
    }
  }

  /** A person who removes the working files wants the space back, which this process would keep until it ends. */
  #checkNotRemoved(): void {
    const { part } = this.#paths;
    if (this.#disk.look(part)?.identity === this.#identity) return;
    throw new StoreFailed(`${basename(part)} was removed during the download`);
  }

  /**
   * Flushes all files, those of `indices` among them. After a failed flush a system may still return the bytes it
   * could not write, and report the next flush of them as done. So these pieces are recorded as lost, and the next
   * run does not trust them whatever their hashes say.
   */
  async #syncFiles(indices: readonly number[]): Promise<void> {
    try {
      await this.#files.sync();
    } catch (error) {
      this.#journal!.append("lost", [...indices, ...this.#unsynced]);
      throw error;
    }
  }

  /** The record reaches the disk before the piece's bytes may be overwritten: see `recordLost`. */
  async #lose(index: PieceIndex): Promise<void> {
    try {
      this.#journal?.append("lost", [index]);
      await this.#journal?.sync();
    } catch (error) {
      this.#failure ??= { error };
    }
    this.#unsynced = this.#unsynced.filter((other) => other !== index);
    this.#rotten.delete(index);
    this.held.clear(index);
  }

  #throwIfOver(): void {
    this.#throwIfFailed();
    if (this.#closing) throw new PiezaError("failed_precondition", "the store is closed");
  }

  #throwIfFailed(): void {
    if (this.#failure) throw this.#failure.error;
  }
}

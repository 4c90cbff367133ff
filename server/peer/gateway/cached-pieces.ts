import { closeSync, mkdirSync, rmSync } from "node:fs";
import { Bitfield } from "#core/base/bitfield.ts";
import { PiezaError, StoreFailed } from "#core/base/errors.ts";
import { checkHeld, checkWrite, type PieceStore } from "#core/ports/store.ts";
import type { PieceGeometry, PieceIndex } from "#core/torrent/piece.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { nodeHasher } from "../../base/node-hasher.ts";
import { beneath } from "../stores/beneath.ts";
import { codeOf, nodeDisk, storeFailed } from "../stores/disk.ts";
import { VerifiedPieces } from "../stores/fingerprint.ts";
import type { BufferPool } from "../transports/buffer-pool.ts";

export interface CachedPiecesOptions {
  readonly torrent: Torrent;
  readonly geometry: PieceGeometry;
  /** Path of the folder of this torrent, which exists when the first piece is written. */
  readonly folder: string;
  /** Where the memory for pieces that arrive comes from. */
  readonly buffers: BufferPool;
  /** Called when the disk is full. Deletes other pieces, and returns whether there were any. */
  readonly makeRoom: (bytes: number) => boolean;
  readonly onHeld: (index: PieceIndex, bytes: number) => void;
  readonly onRead: (index: PieceIndex) => void;
  /** Called when a piece is not held any more. */
  readonly onLost: (index: PieceIndex) => void;
}

/**
 * The cached pieces of one torrent: a file for each, named by its index. The bytes are checked at each read, so nothing
 * has to be flushed to the disk: what a power cut has spoiled, or another process has changed, is fetched again. No
 * file is read, written or removed through a link.
 */
export class CachedPieces implements PieceStore {
  readonly geometry: PieceGeometry;
  readonly held: Bitfield;
  readonly #options: CachedPiecesOptions;
  readonly #verified: VerifiedPieces;
  /** The bytes of pieces that are arriving. */
  readonly #arriving = new Map<number, Uint8Array>();

  constructor(options: CachedPiecesOptions) {
    this.#options = options;
    this.geometry = options.geometry;
    this.held = new Bitfield(options.geometry.count);
    this.#verified = new VerifiedPieces(nodeHasher, options.torrent.pieces);
  }

  get torrent(): Torrent {
    return this.#options.torrent;
  }

  get folder(): string {
    return this.#options.folder;
  }

  /** Holds the piece of an earlier run whose file has this name and size. False if it is no piece. */
  find(name: string, size: number): boolean {
    const number = /^\d{1,9}$/.test(name) ? Number(name) + 1 : 0;
    const index = this.geometry.indexOfNumber(number);
    if (index === undefined || this.geometry.lengthOf(index) !== size) return false;
    this.held.set(index);
    return true;
  }

  write(index: PieceIndex, offset: number, bytes: Uint8Array): void {
    checkWrite(this.geometry, index, offset, bytes.length);
    if (!this.held.has(index)) this.#bufferOf(index).set(bytes, offset);
  }

  /** Writes at once, as the store of a download does: it takes less time than to wait for a thread of the pool. */
  async commit(index: PieceIndex): Promise<void> {
    if (this.held.has(index)) return;
    const bytes = this.#bufferOf(index).subarray(0, this.geometry.lengthOf(index));
    try {
      this.#writeWithRoom(index, bytes);
      this.#verified.trust(index, bytes);
    } catch (error) {
      throw storeFailed("writing to the cache", error);
    } finally {
      this.drop(index);
    }
    this.held.set(index);
    this.#options.onHeld(index, bytes.length);
  }

  drop(index: PieceIndex): void {
    const buffer = this.#arriving.get(index);
    if (buffer && this.#arriving.delete(index)) this.#options.buffers.give(buffer);
  }

  /** At least as long as the piece. */
  #bufferOf(index: PieceIndex): Uint8Array {
    const buffer = this.#arriving.get(index) ?? this.#options.buffers.take(this.geometry.lengthOf(index));
    this.#arriving.set(index, buffer);
    return buffer;
  }

  async read(index: PieceIndex, into?: Uint8Array): Promise<Uint8Array> {
    checkHeld(this.held, index);
    const length = this.geometry.lengthOf(index);
    const bytes = into?.subarray(0, length) ?? new Uint8Array(length);
    const isWhole = await this.#readFile(index, bytes);
    if (isWhole && (await this.#verified.isRight(index, bytes))) {
      this.#options.onRead(index);
      return bytes;
    }
    // A piece that was evicted while it was read is no failure of the disk.
    const wasHeld = this.held.has(index);
    if (wasHeld) this.evict(index);
    throw new PiezaError(wasHeld ? "data_loss" : "not_found", `piece ${index + 1} has left the cache`);
  }

  /** Deletes a piece. */
  evict(index: PieceIndex): void {
    if (!this.held.clear(index)) return;
    this.#verified.forget(index);
    this.#remove(index);
    this.#options.onLost(index);
  }

  async finish(): Promise<void> {}

  async close(): Promise<void> {
    this.#arriving.clear();
  }

  /** On a disk that is full before the cache is, the piece takes the place of older ones. */
  #writeWithRoom(index: PieceIndex, bytes: Uint8Array): void {
    try {
      this.#writeFile(index, bytes);
    } catch (error) {
      this.#remove(index);
      if (!(error instanceof StoreFailed && error.noSpace && this.#options.makeRoom(bytes.length)))
        throw error;
      this.#writeFile(index, bytes);
    }
  }

  /** Always a new file: what is there may be a second name of a person's own. */
  #writeFile(index: PieceIndex, bytes: Uint8Array): void {
    // Somebody may have removed the folder; `recursive` makes no error of one that is there.
    mkdirSync(this.#options.folder, { recursive: true, mode: 0o700 });
    this.#remove(index);
    const file = this.#at(index, (path) => nodeDisk.open(path, "create"));
    try {
      nodeDisk.write(file, bytes, 0);
    } finally {
      closeSync(file);
    }
  }

  /** False if the file is missing, too short, or not a regular file of this folder. */
  async #readFile(index: PieceIndex, into: Uint8Array): Promise<boolean> {
    let file: number;
    try {
      file = this.#at(index, (path) => nodeDisk.open(path, "read"));
    } catch (error) {
      const { cause = error } = error as Error;
      if (/^(EMFILE|ENFILE|EACCES|EIO)$/.test(codeOf(cause)))
        throw storeFailed("reading from the cache", cause);
      return false;
    }
    try {
      return (await nodeDisk.read(file, into, 0)) === into.length;
    } finally {
      closeSync(file);
    }
  }

  /** Does nothing if the folder is gone or a link leads elsewhere. */
  #remove(index: PieceIndex): void {
    try {
      this.#at(index, (path) => rmSync(path, { force: true }));
    } catch (error) {
      if (!/^(ENOENT|ENOTDIR|ELOOP)$/.test(codeOf(error))) throw error;
    }
  }

  #at<T>(index: PieceIndex, use: (path: string) => T): T {
    return beneath(this.#options.folder, String(index), use);
  }
}

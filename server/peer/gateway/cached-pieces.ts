import { closeSync, openSync, read, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { Bitfield } from "#core/base/bitfield.ts";
import { PiezaError } from "#core/base/errors.ts";
import { sha256 } from "#core/base/hash.ts";
import { checkHeld, checkWrite, type PieceStore } from "#core/ports/store.ts";
import type { PieceGeometry, PieceIndex } from "#core/torrent/piece.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { nodeHasher } from "../../base/node-hasher.ts";
import { storeFailed } from "../stores/disk.ts";
import type { BufferPool } from "../transports/buffer-pool.ts";

const readAsync = promisify(read);

export interface CachedPiecesOptions {
  readonly torrent: Torrent;
  readonly geometry: PieceGeometry;
  /** Path of the folder of this torrent, which exists when the first piece is written. */
  readonly folder: string;
  /** Where the memory for pieces that arrive comes from. */
  readonly buffers: BufferPool;
  readonly onHeld: (index: PieceIndex, bytes: number) => void;
  readonly onRead: (index: PieceIndex) => void;
  /** Called when a piece is not held any more. */
  readonly onLost: (index: PieceIndex) => void;
}

/**
 * The cached pieces of one torrent: a file for each, named by its index. A piece of an earlier run is hashed when it
 * is first read, so nothing has to be flushed to the disk: what a power cut has spoiled is fetched again.
 */
export class CachedPieces implements PieceStore {
  readonly geometry: PieceGeometry;
  readonly held: Bitfield;
  readonly #options: CachedPiecesOptions;
  /** Pieces that were hashed in this run. */
  readonly #verified: Bitfield;
  /** The bytes of pieces that are arriving. */
  readonly #arriving = new Map<number, Uint8Array>();

  constructor(options: CachedPiecesOptions) {
    this.#options = options;
    this.geometry = options.geometry;
    this.held = new Bitfield(options.geometry.count);
    this.#verified = new Bitfield(options.geometry.count);
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
    const length = this.geometry.lengthOf(index);
    try {
      writeFileSync(this.#path(index), this.#bufferOf(index).subarray(0, length));
    } catch (error) {
      throw storeFailed("writing to the cache", error);
    } finally {
      this.drop(index);
    }
    this.held.set(index);
    this.#verified.set(index);
    this.#options.onHeld(index, length);
  }

  drop(index: PieceIndex): void {
    const buffer = this.#arriving.get(index);
    if (buffer && this.#arriving.delete(index)) this.#options.buffers.give(buffer);
  }

  async read(index: PieceIndex, into?: Uint8Array): Promise<Uint8Array> {
    checkHeld(this.held, index);
    const length = this.geometry.lengthOf(index);
    const bytes = into?.subarray(0, length) ?? new Uint8Array(length);
    const isWhole = await this.#readFile(index, bytes);
    if (isWhole && (this.#verified.has(index) || (await this.#check(index, bytes)))) {
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
    this.#verified.clear(index);
    rmSync(this.#path(index), { force: true });
    this.#options.onLost(index);
  }

  async finish(): Promise<void> {}

  async close(): Promise<void> {
    this.#arriving.clear();
  }

  /** At least as long as the piece. */
  #bufferOf(index: PieceIndex): Uint8Array {
    const buffer = this.#arriving.get(index) ?? this.#options.buffers.take(this.geometry.lengthOf(index));
    this.#arriving.set(index, buffer);
    return buffer;
  }

  async #check(index: PieceIndex, bytes: Uint8Array): Promise<boolean> {
    if ((await sha256(nodeHasher, bytes)) !== this.torrent.pieces[index]) return false;
    this.#verified.set(index);
    return true;
  }

  /** False if the file is missing or too short. */
  async #readFile(index: PieceIndex, into: Uint8Array): Promise<boolean> {
    let file: number | undefined;
    try {
      file = openSync(this.#path(index), "r");
      let done = 0;
      while (done < into.length) {
        const { bytesRead } = await readAsync(file, into, done, into.length - done, done);
        if (bytesRead === 0) return false;
        done += bytesRead;
      }
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
      throw storeFailed("reading from the cache", error);
    } finally {
      if (file !== undefined) closeSync(file);
    }
  }

  #path(index: PieceIndex): string {
    return join(this.#options.folder, String(index));
  }
}

import { rmSync } from "node:fs";
import { type FileHandle, mkdir, open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Bitfield } from "#core/base/bitfield.ts";
import { PiezaError } from "#core/base/errors.ts";
import { sha256 } from "#core/base/hash.ts";
import { bufferOf, checkHeld, checkWrite, type PieceStore } from "#core/ports/store.ts";
import type { PieceGeometry, PieceIndex } from "#core/torrent/piece.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { nodeHasher } from "../../base/node-hasher.ts";
import { storeFailed } from "../stores/disk.ts";

export interface CachedPiecesOptions {
  readonly torrent: Torrent;
  readonly geometry: PieceGeometry;
  /** Path of the folder of this torrent, which exists when the first piece is written. */
  readonly folder: string;
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
    if (!this.held.has(index)) bufferOf(this.#arriving, this.geometry, index).set(bytes, offset);
  }

  async commit(index: PieceIndex): Promise<void> {
    if (this.held.has(index)) return;
    const bytes = bufferOf(this.#arriving, this.geometry, index);
    try {
      await this.#write(index, bytes);
    } catch (error) {
      throw storeFailed("writing to the cache", error);
    } finally {
      this.#arriving.delete(index);
    }
    this.held.set(index);
    this.#verified.set(index);
    this.#options.onHeld(index, bytes.length);
  }

  /** Makes the folder again if somebody has removed it. */
  async #write(index: PieceIndex, bytes: Uint8Array): Promise<void> {
    try {
      await writeFile(this.#path(index), bytes);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      await mkdir(this.#options.folder, { recursive: true, mode: 0o700 });
      await writeFile(this.#path(index), bytes);
    }
  }

  drop(index: PieceIndex): void {
    this.#arriving.delete(index);
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

  async #check(index: PieceIndex, bytes: Uint8Array): Promise<boolean> {
    if ((await sha256(nodeHasher, bytes)) !== this.torrent.pieces[index]) return false;
    this.#verified.set(index);
    return true;
  }

  /** False if the file is missing or too short. */
  async #readFile(index: PieceIndex, into: Uint8Array): Promise<boolean> {
    let file: FileHandle | undefined;
    try {
      file = await open(this.#path(index), "r");
      let done = 0;
      while (done < into.length) {
        const { bytesRead } = await file.read(into, done, into.length - done, done);
        if (bytesRead === 0) return false;
        done += bytesRead;
      }
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
      throw storeFailed("reading from the cache", error);
    } finally {
      await file?.close();
    }
  }

  #path(index: PieceIndex): string {
    return join(this.#options.folder, String(index));
  }
}

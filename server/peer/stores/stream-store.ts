import type { Writable } from "node:stream";
import { Bitfield } from "#core/base/bitfield.ts";
import { PiezaError } from "#core/base/errors.ts";
import { bufferOf, checkWrite, type PieceStore } from "#core/ports/store.ts";
import type { PieceGeometry, PieceIndex } from "#core/torrent/piece.ts";
import { storeFailed } from "./disk.ts";

export interface StreamStoreOptions {
  readonly geometry: PieceGeometry;
  readonly output: Writable;
  /** The wanted byte range of the torrent, such as one file of a folder. Default: all. */
  readonly range?: { readonly offset: number; readonly length: number } | undefined;
}

/** Bytes of pieces in memory that are incomplete or wait for an earlier piece. Two pieces are always allowed. */
const WINDOW_BYTES = 32 << 20;

/**
 * Writes verified pieces to a stream in order and keeps only those that came too early. So a download of any size
 * needs little memory and no file. Written bytes cannot be read again, so they are not served.
 *
 * Invariant: no piece at or beyond `horizon` is requested, so the window bounds the memory, and a reader that stops
 * also stops the download.
 */
export class StreamStore implements PieceStore {
  readonly geometry: PieceGeometry;
  readonly held: Bitfield;
  /** Called with the new horizon when more pieces may be requested. */
  onHorizon: (horizon: number) => void = () => {};
  readonly #output: Writable;
  readonly #start: number;
  readonly #end: number;
  readonly #pieces = new Map<number, Uint8Array>();
  /** The next piece to write to the output, and the end (exclusive) of the wanted pieces. */
  #next: number;
  readonly #stop: number;
  #full = false;
  /** Writes that the output has not confirmed. */
  #unconfirmed = 0;
  #failure: unknown;
  #finished = Promise.withResolvers<void>();

  constructor({ geometry, output, range }: StreamStoreOptions) {
    this.geometry = geometry;
    this.held = new Bitfield(geometry.count);
    this.#output = output;
    this.#start = range?.offset ?? 0;
    this.#end = this.#start + (range?.length ?? geometry.length);
    this.#next = Math.floor(this.#start / geometry.pieceLength);
    this.#stop = this.#end > this.#start ? Math.ceil(this.#end / geometry.pieceLength) : this.#next;
    this.#finished.promise.catch(() => {});
    output.once("error", this.#onError);
    this.#settleIfDone();
  }

  /** Index of the first piece that must not be requested yet. */
  get horizon(): number {
    return this.#next + Math.max(2, Math.floor(WINDOW_BYTES / this.geometry.pieceLength));
  }

  write(index: PieceIndex, offset: number, bytes: Uint8Array): void {
    checkWrite(this.geometry, index, offset, bytes.length);
    if (this.held.has(index)) return;
    this.#throwIfFailed();
    bufferOf(this.#pieces, this.geometry, index).set(bytes, offset);
  }

  commit(index: PieceIndex): void {
    if (this.held.has(index)) return;
    this.#throwIfFailed();
    this.held.set(index);
    this.#give();
  }

  /** Always fails: no bytes are kept. */
  async read(index: PieceIndex): Promise<Uint8Array> {
    throw new PiezaError("not_found", `piece ${index + 1} was written to the output and is not kept`);
  }

  /** Resolves when all wanted bytes have been written to the output. */
  finish(): Promise<void> {
    return this.#finished.promise;
  }

  async close(): Promise<void> {
    this.#output.off("error", this.#onError);
    this.#output.off("drain", this.#onDrain);
    this.#pieces.clear();
  }

  #give(): void {
    const before = this.#next;
    while (!this.#full && this.#next < this.#stop && this.held.has(this.#next)) {
      const bytes = this.#pieces.get(this.#next) ?? new Uint8Array(0);
      const offset = this.geometry.offset(this.geometry.index(this.#next));
      this.#pieces.delete(this.#next++);
      const wanted = bytes.subarray(
        Math.max(0, this.#start - offset),
        Math.min(bytes.length, this.#end - offset),
      );
      this.#unconfirmed++;
      this.#full = !this.#output.write(wanted, this.#onWritten);
      if (this.#full) this.#output.once("drain", this.#onDrain);
    }
    if (!this.#full) this.#settleIfDone();
    if (this.#next > before) this.onHorizon(this.horizon);
  }

  readonly #onDrain = (): void => {
    this.#full = false;
    this.#give();
  };

  readonly #onError = (cause: unknown): void => {
    this.#failure = storeFailed("writing to the output", cause);
    this.#finished.reject(this.#failure);
  };

  readonly #onWritten = (error?: Error | null): void => {
    this.#unconfirmed--;
    if (error) this.#onError(error);
    else this.#settleIfDone();
  };

  #settleIfDone(): void {
    if (this.#next >= this.#stop && this.#unconfirmed === 0) this.#finished.resolve();
  }

  #throwIfFailed(): void {
    if (this.#failure) throw this.#failure;
  }
}

import type { Writable } from "node:stream";
import { Bitfield } from "#core/base/bitfield.ts";
import { PiezaError, StoreFailed } from "#core/base/errors.ts";
import { checkWrite, type PieceStore } from "#core/ports/store.ts";
import type { PieceGeometry, PieceIndex } from "#core/torrent/piece.ts";

export interface StreamStoreOptions {
  readonly geometry: PieceGeometry;
  readonly output: Writable;
  /** The bytes of the whole that are wanted: those of one file of a folder, for example. Default: all. */
  readonly range?: { readonly offset: number; readonly length: number } | undefined;
}

/** Bytes kept in memory, of pieces on their way or waiting for an earlier one; two pieces are always allowed. */
const WINDOW_BYTES = 32 << 20;

/**
 * Gives the bytes away in order as their pieces are verified, and keeps only those that came too early: a download of
 * any size in little memory, without a file. What has been given away cannot be read again, so it is not served.
 *
 * Invariant: no piece is asked for that lies further ahead of the output than the window (`horizon`), so what is kept is
 * bounded by it; when the reader stops, so does the download.
 */
export class StreamStore implements PieceStore {
  readonly geometry: PieceGeometry;
  readonly held: Bitfield;
  /** Told when more pieces may be asked for. */
  onHorizon: (horizon: number) => void = () => {};
  readonly #output: Writable;
  readonly #start: number;
  readonly #end: number;
  readonly #pieces = new Map<number, Uint8Array>();
  /** The first piece that has not been given away, and the one behind the last. */
  #next: number;
  readonly #stop: number;
  #full = false;
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

  /** No piece from this index on is to be asked for yet. */
  get horizon(): number {
    return this.#next + Math.max(2, Math.floor(WINDOW_BYTES / this.geometry.pieceLength));
  }

  write(index: PieceIndex, offset: number, bytes: Uint8Array): void {
    checkWrite(this.geometry, index, offset, bytes.length);
    if (this.held.has(index)) return;
    this.#throwIfFailed();
    let piece = this.#pieces.get(index);
    if (!piece) {
      piece = new Uint8Array(this.geometry.lengthOf(index));
      this.#pieces.set(index, piece);
    }
    piece.set(bytes, offset);
  }

  commit(index: PieceIndex): void {
    if (this.held.has(index)) return;
    this.#throwIfFailed();
    this.held.set(index);
    this.#give();
  }

  /** Fails: nothing is kept. */
  async read(index: PieceIndex): Promise<Uint8Array> {
    throw new PiezaError("not_found", `piece ${index + 1} went to the output`);
  }

  /** Resolves when the output has taken everything. */
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
      this.#full = !this.#output.write(wanted);
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
    this.#failure = new StoreFailed("writing to the output failed", { cause });
    this.#finished.reject(this.#failure);
  };

  #settleIfDone(): void {
    if (this.#next >= this.#stop) this.#finished.resolve();
  }

  #throwIfFailed(): void {
    if (this.#failure) throw this.#failure;
  }
}

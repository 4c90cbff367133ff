import { Bitfield } from "../base/bitfield.ts";
import { PiezaError } from "../base/errors.ts";
import type { PieceGeometry, PieceIndex } from "../torrent/piece.ts";

/**
 * Keeps the pieces of one torrent for one writer: the download that opened it. Every implementation runs
 * test/contract/piece-store.ts. Every method that touches the disk fails with StoreFailed.
 *
 * A piece is held from `commit` on. Its bytes may be written before their hash is known, in any order and more than
 * once; until `commit` they do not count, are not read and are not announced.
 */
export interface PieceStore {
  readonly geometry: PieceGeometry;
  /** The pieces held now. Live: callers read it and never change it. */
  readonly held: Bitfield;
  /**
   * Writes `bytes` at `offset` inside the piece. Synchronous, so that two writers of one piece (a hedged request)
   * cannot interleave: the bytes are handed to the system when the call ends, and the caller may reuse them. Ignored
   * for a held piece, which late bytes must not spoil. Throws RangeError outside the piece.
   */
  write(index: PieceIndex, offset: number, bytes: Uint8Array): void;
  /** No request for the piece is under way any more: what was written to it may go. */
  drop?(index: PieceIndex): void;
  /** Holds the piece; the caller has verified everything written to it. Ignored for a held piece. */
  commit(index: PieceIndex): void | Promise<void>;
  /**
   * The bytes of a held piece: at the start of `into` (which has room for the piece) if given, else in a new buffer.
   * Fails with PiezaError("not_found") if the piece is not held.
   */
  read(index: PieceIndex, into?: Uint8Array): Promise<Uint8Array>;
  /** Called when every wanted piece is held: gives the file or folder its final name. Ignored the second time. */
  finish(): Promise<void>;
  /** Flushes and closes everything. Held pieces stay for the next run. */
  close(): Promise<void>;
}

/** Keeps all pieces in memory: for tests, and for pages without storage, which limit its size. */
export class MemoryPieceStore implements PieceStore {
  readonly geometry: PieceGeometry;
  readonly held: Bitfield;
  readonly #pieces = new Map<number, Uint8Array>();

  constructor(geometry: PieceGeometry) {
    this.geometry = geometry;
    this.held = new Bitfield(geometry.count);
  }

  write(index: PieceIndex, offset: number, bytes: Uint8Array): void {
    checkWrite(this.geometry, index, offset, bytes.length);
    if (this.held.has(index)) return;
    bufferOf(this.#pieces, this.geometry, index).set(bytes, offset);
  }

  commit(index: PieceIndex): void {
    if (this.geometry.lengthOf(index) === 0) this.#pieces.set(index, new Uint8Array(0));
    this.held.set(index);
  }

  async read(index: PieceIndex, into?: Uint8Array): Promise<Uint8Array> {
    checkHeld(this.held, index);
    const piece = this.#pieces.get(index)!;
    if (!into) return piece.slice();
    into.set(piece);
    return into.subarray(0, piece.length);
  }

  /** The bytes of the pieces from `first` to before `end` (default: all), which are held, as parts of one Blob. */
  parts(first = 0, end = this.geometry.count): Uint8Array[] {
    return Array.from({ length: end - first }, (_, n) => this.#pieces.get(first + n)!);
  }

  async finish(): Promise<void> {}
  async close(): Promise<void> {}
}

/** For implementations: throws RangeError unless the bytes lie inside the piece. */
export function checkWrite(geometry: PieceGeometry, index: PieceIndex, offset: number, length: number): void {
  if (offset < 0 || offset + length > geometry.lengthOf(index))
    throw new RangeError(`bytes ${offset} to ${offset + length} of a piece of ${geometry.lengthOf(index)}`);
}

/** For implementations in memory: the buffer of a piece that is being written, made at its first bytes. */
export function bufferOf(
  buffers: Map<number, Uint8Array>,
  geometry: PieceGeometry,
  index: PieceIndex,
): Uint8Array {
  let buffer = buffers.get(index);
  if (!buffer) {
    buffer = new Uint8Array(geometry.lengthOf(index));
    buffers.set(index, buffer);
  }
  return buffer;
}

/** For implementations: throws PiezaError("not_found") unless the piece is held. */
export function checkHeld(held: Bitfield, index: PieceIndex): void {
  if (!held.has(index)) throw new PiezaError("not_found", `piece ${index + 1} is not held here`);
}

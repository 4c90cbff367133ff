import { Bitfield } from "../base/bitfield.ts";
import { PiezaError } from "../base/errors.ts";
import type { PieceGeometry, PieceIndex } from "../torrent/piece.ts";

/**
 * Where the pieces of one torrent are kept. One writer: the download that opened it. Every implementation runs
 * test/contract/piece-store.ts.
 *
 * A piece is held from `commit` on and not a byte earlier: its bytes may be written before their hash is known, in any
 * order and more than once, but until `commit` they do not count, are not read and are not announced.
 * Every method that touches the disk fails with StoreFailed.
 */
export interface PieceStore {
  readonly geometry: PieceGeometry;
  /** The pieces held, as they are now. Live: callers read it and never change it. */
  readonly held: Bitfield;
  /**
   * Writes `bytes` at `offset` inside the piece. Synchronous, so that two writers of one piece (a hedged request)
   * cannot interleave: the bytes are handed to the system when the call ends, and the caller may reuse them. Throws
   * RangeError outside the piece. Does nothing to a piece that is held: late bytes must not spoil it.
   */
  write(index: PieceIndex, offset: number, bytes: Uint8Array): void;
  /** The caller has verified the hash of everything written to this piece: hold it. Does nothing if it is held. */
  commit(index: PieceIndex): void | Promise<void>;
  /**
   * The bytes of a held piece: at the start of `into` if that is given (it has room for the piece), else in a buffer of
   * their own. Fails with PiezaError("not_found") if it is not held.
   */
  read(index: PieceIndex, into?: Uint8Array): Promise<Uint8Array>;
  /** Every wanted piece is held: gives the file or folder its final name. Does nothing the second time. */
  finish(): Promise<void>;
  /** Flushes and lets go of everything. What is held stays so for the next time. */
  close(): Promise<void>;
}

/** Keeps everything in memory. For tests, and for pages without storage, under the page's stated cap. */
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

  /** The bytes of held pieces as one Blob's parts, in order: from piece `first` to before `end`, by default all. */
  parts(first = 0, end = this.geometry.count): Uint8Array[] {
    return Array.from({ length: end - first }, (_, n) => this.#pieces.get(first + n)!);
  }

  async finish(): Promise<void> {}
  async close(): Promise<void> {}
}

/** For implementations: throws RangeError unless the bytes lie inside the piece. */
export function checkWrite(geometry: PieceGeometry, index: PieceIndex, offset: number, length: number): void {
  if (offset < 0 || offset + length > geometry.lengthOf(index)) {
    throw new RangeError(`bytes ${offset} to ${offset + length} of a piece of ${geometry.lengthOf(index)}`);
  }
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

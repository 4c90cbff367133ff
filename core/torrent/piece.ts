import type { Bitfield } from "../base/bitfield.ts";
import { InvalidField } from "../base/errors.ts";

/** 16 KiB: smaller pieces cost more in requests and hashes than they give. */
export const MIN_PIECE_LENGTH = 16 << 10;
/** 16 MiB: a peer, a tab and a gRPC message hold one piece at a time in memory. */
export const MAX_PIECE_LENGTH = 16 << 20;
/** Keeps a torrent's JSON under 16 MiB and its bitfield at 16 KiB. */
export const MAX_PIECES = 131_072;
/** As many files as a torrent's JSON of 16 MiB can name by paths of six characters. */
export const MAX_FILES = 1 << 19;

/**
 * A piece's index in its torrent, from 0. Only a PieceGeometry makes one, so that no unchecked number from outside
 * reaches a store. In JSON and on the wire the same piece has `number` = index + 1.
 */
export type PieceIndex = number & { readonly __brand: "PieceIndex" };

/** The piece's number in JSON and on the wire, from 1. */
export function pieceNumber(index: PieceIndex): number {
  return index + 1;
}

/**
 * Piece arithmetic: where each piece lies in the whole. Every piece has `pieceLength` bytes except the last, which
 * has the rest (1 to pieceLength). A torrent of 0 bytes has one piece of 0 bytes.
 */
export class PieceGeometry {
  /** Bytes of the whole. */
  readonly length: number;
  /** Bytes of every piece but the last. */
  readonly pieceLength: number;
  /** At least 1. */
  readonly count: number;

  /** `pieceLength` may lie outside a torrent's limits: the pieces of a legacy torrent may have any length. */
  constructor(length: number, pieceLength: number) {
    if (!Number.isSafeInteger(length) || length < 0)
      throw new InvalidField("length", "must be a whole number of bytes");
    if (!Number.isSafeInteger(pieceLength) || pieceLength < 1)
      throw new InvalidField("piece_length", "must be at least 1 byte");
    this.length = length;
    this.pieceLength = pieceLength;
    this.count = Math.max(1, Math.ceil(length / pieceLength));
  }

  /** The index of a piece number from the wire; undefined if there is no such piece. */
  indexOfNumber(number: number): PieceIndex | undefined {
    return Number.isInteger(number) && number >= 1 && number <= this.count
      ? ((number - 1) as PieceIndex)
      : undefined;
  }

  /** Checks an index that our own code has computed. Throws RangeError for a wrong one: a bug, not bad input. */
  index(n: number): PieceIndex {
    if (!Number.isInteger(n) || n < 0 || n >= this.count) throw new RangeError(`no piece with index ${n}`);
    return n as PieceIndex;
  }

  /** Every index in order. */
  *indices(): Generator<PieceIndex> {
    for (let n = 0; n < this.count; n++) yield n as PieceIndex;
  }

  /** Byte offset of the piece in the whole. */
  offset(index: PieceIndex): number {
    return index * this.pieceLength;
  }

  /** Bytes of this piece. */
  lengthOf(index: PieceIndex): number {
    return index === this.count - 1 ? this.length - this.offset(index) : this.pieceLength;
  }

  /** Bytes of these pieces together. */
  bytesOf(pieces: Bitfield): number {
    const last = (this.count - 1) as PieceIndex;
    const missing = pieces.has(last) ? this.pieceLength - this.lengthOf(last) : 0;
    return pieces.count * this.pieceLength - missing;
  }
}

/**
 * The default piece length for `length` bytes: 1 MiB up to 4 GiB, 2 MiB up to 64 GiB (under the 4 MiB message limit
 * of standard gRPC clients), then doubled to keep 32,768 pieces, up to 16 MiB.
 */
export function automaticPieceLength(length: number): number {
  const GiB = 2 ** 30;
  if (length <= 4 * GiB) return 1 << 20;
  let pieceLength = 2 << 20;
  while (length > pieceLength * 32_768 && pieceLength < MAX_PIECE_LENGTH) pieceLength *= 2;
  return pieceLength;
}

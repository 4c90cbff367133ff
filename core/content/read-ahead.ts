import type { PieceGeometry, PieceIndex } from "../torrent/piece.ts";
import type { ByteRange } from "./byte-range.ts";

/** The pieces that a reader needs next: those from `first` to before `end`. */
export interface ReaderPieces {
  readonly first: PieceIndex;
  readonly end: number;
}

const MAX_AHEAD_BYTES = 16 << 20;

/**
 * The pieces to fetch for a reader of `range` that is at piece `first`: two at first, then as many bytes ahead as it
 * has read, up to 16 MiB. Many programs read a little at several places before they read on.
 */
export function readAhead(geometry: PieceGeometry, range: ByteRange, first: PieceIndex): ReaderPieces {
  const { pieceLength } = geometry;
  const readBytes = Math.max(0, geometry.offset(first) - range.start);
  const ahead = Math.max(2, Math.ceil(Math.min(readBytes, MAX_AHEAD_BYTES) / pieceLength));
  return { first, end: Math.min(Math.ceil(range.end / pieceLength), first + ahead) };
}

/** The piece with this byte of the content. Throws RangeError past its end. */
export function pieceAt(geometry: PieceGeometry, byte: number): PieceIndex {
  return geometry.index(Math.floor(byte / geometry.pieceLength));
}

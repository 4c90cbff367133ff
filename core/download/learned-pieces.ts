import type { PieceStore } from "../ports/store.ts";
import type { PieceIndex } from "../torrent/piece.ts";

/** The peer that gave a piece before its download began. Times are the clock's. */
export interface PieceSource {
  readonly url: string;
  readonly legacy: boolean;
  readonly askedAtMs: number;
  readonly firstByteAtMs: number;
  /** When the piece was verified; `hashMs` of the time before went to that. */
  readonly endedAtMs: number;
  readonly hashMs: number;
}

export interface LearnedPiece {
  readonly bytes: Uint8Array;
  readonly source: PieceSource;
}

/** Verified pieces, in the order in which they arrived. */
export type LearnedPieces = ReadonlyMap<PieceIndex, LearnedPiece>;

/** Stores the pieces. Returns the sources of those that the store did not hold already. */
export async function putLearned(
  store: PieceStore,
  pieces: LearnedPieces,
): Promise<ReadonlyMap<PieceIndex, PieceSource>> {
  const sources = new Map<PieceIndex, PieceSource>();
  for (const [index, { bytes, source }] of pieces) {
    if (store.held.has(index)) continue;
    store.write(index, 0, bytes);
    await store.commit(index);
    sources.set(index, source);
  }
  return sources;
}

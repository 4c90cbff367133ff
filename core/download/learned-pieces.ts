import type { PieceStore } from "../ports/store.ts";
import type { PieceIndex } from "../torrent/piece.ts";

/** Who gave a piece before its download began, and when. Times are the clock's. */
export interface PieceSource {
  readonly url: string;
  readonly legacy: boolean;
  readonly askedAtMs: number;
  readonly firstByteAtMs: number;
  /** When it was verified; `hashMs` of the time before went to that. */
  readonly endedAtMs: number;
  readonly hashMs: number;
}

export interface LearnedPiece {
  readonly bytes: Uint8Array;
  readonly source: PieceSource;
}

/** Verified pieces, in the order in which they came. */
export type LearnedPieces = ReadonlyMap<PieceIndex, LearnedPiece>;

/** Puts the pieces where they belong. Returns who gave those that the store did not hold already. */
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

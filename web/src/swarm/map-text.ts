import type { Bitfield } from "#core/base/bitfield.ts";
import { type DownloadSnapshot, PieceMap } from "#core/download/snapshot.ts";
import type { Words } from "../base/en.ts";
import type { Formats } from "../base/format.ts";
import { lookOf } from "./peer-look.ts";

/** Describes one piece: "Piece 37 of 256: from peer 2 (http://…)". `wanted` undefined means all. */
export function describePiece(
  { pieceMap, peers }: DownloadSnapshot,
  index: number,
  wanted: Bitfield | undefined,
  words: Words,
  format: Formats,
): string {
  const entry = pieceMap[index] ?? PieceMap.MISSING;
  return words.mapNow(format.count(index + 1), format.count(pieceMap.length), describeEntry(entry));

  function describeEntry(entry: number): string {
    if (entry === PieceMap.MISSING)
      return wanted?.has(index) === false ? words.mapUnwanted : words.mapMissing;
    if (entry === PieceMap.HELD_BEFORE) return words.mapBefore;
    const slot = PieceMap.slotOf(entry);
    const peer = `${lookOf(slot).number} (${peers[slot]?.url ?? ""})`;
    return PieceMap.isHeld(entry) ? words.mapFrom(peer) : words.mapInFlight(peer);
  }
}

import { type PieceIndex, pieceNumber } from "#core/torrent/piece.ts";
import type { ServingOptions } from "./serving/serving.ts";

/** Logs that a held piece fails its hash and is no longer served. */
export function logRottenPiece(log: ServingOptions["log"], infoHash: string, index: PieceIndex): void {
  const number = pieceNumber(index);
  const message = `piece ${number} of ${infoHash} fails its hash: this peer no longer serves it`;
  log?.({ level: "warn", event: "piece_rotten", message, info_hash: infoHash, number });
}

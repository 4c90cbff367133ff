import type { Torrent } from "../torrent/torrent.ts";
import type { TorrentSummary } from "./catalog.ts";

/** The summary of a torrent that has this name in a catalog. */
export function torrentSummary(torrent: Torrent, name: string): TorrentSummary {
  return {
    name,
    infoHash: torrent.infoHash,
    fileName: torrent.fileName,
    totalPieces: torrent.pieces.length,
    length: torrent.lengths?.length,
    pieceLength: torrent.lengths?.pieceLength,
    fileCount: torrent.files?.length ?? 0,
    comment: torrent.comment ?? "",
    createdAt: torrent.createdAt ?? "",
  };
}

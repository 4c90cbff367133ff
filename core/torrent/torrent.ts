import type { BitTorrentFields } from "./bittorrent.ts";
import { PieceGeometry } from "./piece.ts";

/** One file of a folder torrent. */
export interface TorrentFile {
  /** A relative path of file names joined by "/", as given. */
  readonly path: string;
  /** Bytes. */
  readonly length: number;
}

/** The metadata of a file or folder. Only parseTorrent makes one, so every field is checked, even the info hash. */
export interface Torrent {
  /** The name of the finished file or folder: one safe path segment on every system. */
  readonly fileName: string;
  /** The SHA-256 of each piece by index, 64 lowercase hex digits. At least one. */
  readonly pieces: readonly string[];
  /** Bytes; absent in a legacy torrent. */
  readonly lengths?: { readonly length: number; readonly pieceLength: number } | undefined;
  /** 64 lowercase hex digits. */
  readonly infoHash: string;
  /** The files of a folder, in bytewise order of path; only present with `lengths`. */
  readonly files?: readonly TorrentFile[] | undefined;
  /** URLs of servers. */
  readonly trackers: readonly string[];
  /** Trackers that the torrent names besides, whose URLs are no addresses. Left out: none. */
  readonly badTrackers?: number | undefined;
  readonly comment?: string | undefined;
  /** RFC 3339. */
  readonly createdAt?: string | undefined;
  readonly replicationTarget?: number | undefined;
  /** Only present with `lengths`. */
  readonly bittorrent?: BitTorrentFields | undefined;
}

/** The places of the pieces; undefined for a legacy torrent, whose lengths a download has to learn. */
export function geometryOf(torrent: Torrent): PieceGeometry | undefined {
  return torrent.lengths && new PieceGeometry(torrent.lengths.length, torrent.lengths.pieceLength);
}

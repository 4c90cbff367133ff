import { PieceGeometry } from "./piece.ts";

/** One file of a folder torrent. */
export interface TorrentFile {
  /** Relative, segments joined by "/", as given. */
  readonly path: string;
  /** Bytes. */
  readonly length: number;
}

/**
 * The metadata of one file set, checked: whoever holds a Torrent may trust every field of it, info hash included.
 * core/torrent/torrent-json.ts makes one from JSON; nothing else does.
 */
export interface Torrent {
  /** The name that the finished file or folder gets. Safe as one path segment on every OS. */
  readonly fileName: string;
  /** The SHA-256 of each piece by index, 64 lowercase hex digits. At least one. */
  readonly pieces: readonly string[];
  /** Lengths in bytes; absent in a torrent of the seed's form. */
  readonly lengths?: { readonly length: number; readonly pieceLength: number } | undefined;
  /** 64 lowercase hex digits. */
  readonly infoHash: string;
  /** For a folder, in bytewise order of path; only where there are lengths. */
  readonly files?: readonly TorrentFile[] | undefined;
  /** URLs. */
  readonly trackers: readonly string[];
  readonly comment?: string | undefined;
  /** RFC 3339. */
  readonly createdAt?: string | undefined;
  readonly replicationTarget?: number | undefined;
}

/** Where the pieces lie, or undefined for a torrent of the seed's form, whose lengths a download has to learn. */
export function geometryOf(torrent: Torrent): PieceGeometry | undefined {
  return torrent.lengths && new PieceGeometry(torrent.lengths.length, torrent.lengths.pieceLength);
}

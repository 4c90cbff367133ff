import type { Torrent } from "../torrent/torrent.ts";

/** A torrent in a catalog's list, without its pieces. */
export interface TorrentSummary {
  readonly name: string;
  readonly infoHash: string;
  readonly fileName: string;
  readonly totalPieces: number;
  /** Bytes; absent for a legacy torrent. */
  readonly length?: number | undefined;
  readonly pieceLength?: number | undefined;
  /** 0 for a single file. */
  readonly fileCount: number;
  readonly comment: string;
  readonly createdAt: string;
}

export interface CatalogPage {
  readonly torrents: readonly TorrentSummary[];
  /** Empty on the last page. */
  readonly nextPageToken: string;
  /** Matches on all pages together. */
  readonly totalSize: number;
}

/** A catalog and its checked torrents. Calls fail with PiezaError, or on abort with the signal's reason. */
export interface Catalog {
  readonly url: string;
  list(
    query: { search?: string; pageSize?: number; pageToken?: string },
    signal?: AbortSignal,
  ): Promise<CatalogPage>;
  /** By name (`.json` allowed) or by info hash (64 hex digits, in either case). */
  get(
    key: { name: string } | { infoHash: string },
    signal?: AbortSignal,
  ): Promise<{ name: string; torrent: Torrent }>;
  /** Fails with already_exists if the name stands for another torrent and `replace` is not set. */
  publish(
    torrent: Torrent,
    options: { name?: string; replace?: boolean },
    signal?: AbortSignal,
  ): Promise<{ name: string; changed: boolean }>;
  delete(name: string, signal?: AbortSignal): Promise<void>;
  /** Changes nothing. Fails as `publish` does if the catalog is out of reach or the token is not its own. */
  mayPublish(signal?: AbortSignal): Promise<void>;
}

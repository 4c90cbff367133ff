import type { Bitfield } from "./bitfield.ts";
import type { Torrent } from "./torrent.ts";

/** Which swarm is meant: info hash and number of pieces together are its key. */
export interface SwarmKey {
  /** 64 lowercase hex digits. */
  readonly infoHash: string;
  readonly totalPieces: number;
}

/** What is asked for: without name and hashes no seed peer is named, for it knows no info hash. */
export type LocateQuery = SwarmKey & Partial<Pick<Torrent, "fileName" | "pieces">>;

/** One peer as the tracker names it. */
export interface SwarmPeer {
  readonly url: string;
  readonly bitfield: Bitfield;
  /** It registered under the seed's contract: it answers DownloadPiece at best, and does not tell what it has. */
  readonly seed?: boolean | undefined;
}

/** The answer to "who has which pieces". */
export interface SwarmTable {
  /** At most 50 and 50 seed peers, in the order that `turn` counts in. */
  readonly peers: readonly SwarmPeer[];
  /** See core/round-robin.ts. */
  readonly turn: number;
  readonly trackerId: string;
  /** Ask again after so long. */
  readonly nextLocateMs: number;
}

export type AnnounceEvent = "started" | "progress" | "completed" | "draining" | "stopped" | "heartbeat";

/** What a peer says of one torrent. */
export interface AnnouncedTorrent extends SwarmKey {
  readonly fileName: string;
  /** Grows with every change of the bitfield. */
  readonly revision: number;
  /** Left out: unchanged since `revision`. */
  readonly bitfield?: Bitfield;
}

export interface Announce {
  readonly event: AnnounceEvent;
  readonly lease?: Lease | undefined;
  /** Only read with `started`. */
  readonly address?: { port: number; publicUrl?: string; tls: boolean; identifyKey: Uint8Array };
  readonly torrents: readonly AnnouncedTorrent[];
  /** Info hashes of torrents that this peer left. */
  readonly left: readonly string[];
}

/** A peer's claim to its place in a tracker: whoever knows the secret may renew or end it. */
export interface Lease {
  readonly id: string;
  /** 32 hex digits. */
  readonly secret: string;
}

export interface Announced {
  readonly lease: Lease;
  readonly trackerId: string;
  readonly nextAnnounceMs: number;
  readonly listed: boolean;
  /** Why not, in words; empty when listed. */
  readonly notListedReason: string;
  /** The URL under which the tracker names us. */
  readonly url: string;
  /** Info hashes whose bitfields the tracker lacks. */
  readonly resend: readonly string[];
}

/** A tracker seen from a peer or a downloader. Calls fail with PiezaError; an aborted signal rejects with its reason. */
export interface Tracker {
  readonly url: string;
  announce(announce: Announce, signal: AbortSignal): Promise<Announced>;
  locate(query: LocateQuery, signal: AbortSignal): Promise<SwarmTable>;
}

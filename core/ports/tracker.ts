import type { Bitfield } from "../base/bitfield.ts";
import type { Torrent } from "../torrent/torrent.ts";

/** The key of a swarm: info hash and number of pieces together. */
export interface SwarmKey {
  /** 64 lowercase hex digits. */
  readonly infoHash: string;
  readonly totalPieces: number;
}

/** A query for a swarm. Legacy peers know no info hash: only a query with name and hashes finds them. */
export type LocateQuery = SwarmKey &
  Partial<Pick<Torrent, "fileName" | "pieces">> & { readonly zone?: string | undefined };

/** The query that finds a torrent's peers, legacy peers included. */
export function locateQuery({ infoHash, fileName, pieces }: Torrent): LocateQuery {
  return { infoHash, totalPieces: pieces.length, fileName, pieces };
}

/** A peer in a tracker's answer. */
export interface SwarmPeer {
  readonly url: string;
  readonly bitfield: Bitfield;
  /** The peer registered under the legacy contract: it answers DownloadPiece at best, and cannot say what it has. */
  readonly legacy?: boolean | undefined;
}

/** A tracker's answer to LocatePieces: which peer has which pieces. */
export interface SwarmTable {
  /** At most 50 peers and 50 legacy peers, in the order that `turn` counts in. */
  readonly peers: readonly SwarmPeer[];
  /** Peers that the tracker named besides, whose URLs are no addresses. Left out: none. */
  readonly badUrls?: number | undefined;
  /** See core/base/round-robin.ts. */
  readonly turn: number;
  readonly trackerId: string;
  /** Milliseconds until the next query. */
  readonly nextLocateMs: number;
}

export type AnnounceEvent = "started" | "progress" | "completed" | "draining" | "stopped" | "heartbeat";

/** A peer's news of one torrent. */
export interface AnnouncedTorrent extends SwarmKey {
  readonly fileName: string;
  /** Grows with every change of the bitfield. */
  readonly revision: number;
  /** Left out if unchanged since `revision`. */
  readonly bitfield?: Bitfield;
  /** Copies of every piece that the torrent's metadata asks for; left out if it does not say. */
  readonly replicationTarget?: number | undefined;
  /** Bytes; left out for a legacy torrent. */
  readonly pieceLength?: number | undefined;
}

/** The pieces from index `first` to index `last`, both included. */
export interface PieceRange {
  readonly first: number;
  readonly last: number;
}

/** Bounds of one order on the wire. */
export const MAX_RANGES = 4_096;
export const MAX_SOURCES = 8;

export interface PieceRanges extends SwarmKey {
  /** Ascending and disjoint; at most MAX_RANGES. */
  readonly ranges: readonly PieceRange[];
}

/** The space that a peer offers for copies. */
export interface VolunteerOffer {
  readonly capacityBytes: number;
  /** Neither taken nor promised to orders under way. */
  readonly freeBytes: number;
  /** The most that the peer spends on copies; 0: no bound. */
  readonly bytesPerSecond: number;
}

/** Pieces that a volunteer has to copy and to keep. */
export interface ReplicationOrder extends PieceRanges {
  readonly id: string;
  /** URLs of peers that have the pieces, best first; at most MAX_SOURCES. */
  readonly sources: readonly string[];
  /** Milliseconds after which the order ends, unless another answer names it. */
  readonly expiresMs: number;
}

export type DeclineReason = "unknown-torrent" | "no-space" | "not-wanted";

export interface DeclinedOrder {
  readonly id: string;
  readonly reason: DeclineReason;
}

export type FailureKind = "unreachable" | "wrong-piece" | "missing-piece";

/** One peer's observation of another peer. */
export interface FailureReport {
  readonly url: string;
  readonly infoHash: string;
  readonly kind: FailureKind;
}

export interface Announce {
  readonly event: AnnounceEvent;
  readonly lease?: Lease | undefined;
  /** Only read with `started`. */
  readonly address?: { port: number; publicUrl?: string; tls: boolean; identifyKey: Uint8Array };
  readonly torrents: readonly AnnouncedTorrent[];
  /** Info hashes of torrents that the peer has left. */
  readonly left: readonly string[];
  /** A name shared by peers near each other; at most 64 bytes. Only read with `started`. */
  readonly zone?: string | undefined;
  /** Left out if the peer offers no space. */
  readonly volunteer?: VolunteerOffer | undefined;
  readonly declined?: readonly DeclinedOrder[] | undefined;
  /** Pieces that the peer wants to delete, and may once an answer grants them. */
  readonly drops?: readonly PieceRanges[] | undefined;
  /** At most 64. */
  readonly failures?: readonly FailureReport[] | undefined;
}

/** A peer's claim to its place in a tracker. Knowledge of the secret allows renewing and ending it. */
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
  /** Why the peer is not listed; empty if it is. */
  readonly notListedReason: string;
  /** The URL under which the tracker names this peer. */
  readonly url: string;
  /** Info hashes whose bitfields the tracker lacks. */
  readonly resend: readonly string[];
  /** All orders of a volunteer; an order that is missing here is called off. Left out: none. */
  readonly orders?: readonly ReplicationOrder[] | undefined;
  /** The part of `drops` that the volunteer may delete. Left out: none. */
  readonly grants?: readonly PieceRanges[] | undefined;
  /** For a draining peer: pieces that no staying peer has yet, where one could copy them. Left out: 0. */
  readonly lastCopies?: number | undefined;
}

/** A tracker as its clients see it. Calls fail with PiezaError; on abort they reject with the signal's reason. */
export interface Tracker {
  readonly url: string;
  announce(announce: Announce, signal: AbortSignal): Promise<Announced>;
  locate(query: LocateQuery, signal: AbortSignal): Promise<SwarmTable>;
}

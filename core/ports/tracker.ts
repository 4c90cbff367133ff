import type { Bitfield } from "../base/bitfield.ts";
import type { Torrent } from "../torrent/torrent.ts";

/** Which swarm is meant: info hash and number of pieces together are its key. */
export interface SwarmKey {
  /** 64 lowercase hex digits. */
  readonly infoHash: string;
  readonly totalPieces: number;
}

/** What is asked for: without name and hashes no seed peer is named, for it knows no info hash. */
export type LocateQuery = SwarmKey &
  Partial<Pick<Torrent, "fileName" | "pieces">> & { readonly zone?: string | undefined };

/** What to ask for to find a torrent's peers, seed peers too. */
export function locateQuery({ infoHash, fileName, pieces }: Torrent): LocateQuery {
  return { infoHash, totalPieces: pieces.length, fileName, pieces };
}

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
  /** See core/base/round-robin.ts. */
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
  /** Copies of every piece that the torrent's metadata asks for; left out: it does not say. */
  readonly replicationTarget?: number | undefined;
  /** Bytes; left out in a torrent of the seed's form. */
  readonly pieceLength?: number | undefined;
}

/** The pieces from index `first` to index `last`, both of them too. */
export interface PieceRange {
  readonly first: number;
  readonly last: number;
}

/** Pieces of one torrent. */
export interface PieceRanges extends SwarmKey {
  /** Ascending and apart; at most 4,096. */
  readonly ranges: readonly PieceRange[];
}

/** The space that a peer lends for copies. */
export interface Volunteer {
  readonly capacityBytes: number;
  /** Neither taken nor promised to orders under way. */
  readonly freeBytes: number;
  /** What it spends on copies at most; 0: no bound. */
  readonly bytesPerSecond: number;
}

/** What a volunteer is to copy and to keep. */
export interface ReplicationOrder extends PieceRanges {
  readonly id: string;
  /** URLs of peers that have the pieces, best first; at most 8. */
  readonly sources: readonly string[];
  /** Over after so long unless an answer names the order again. */
  readonly expiresMs: number;
}

export type DeclineReason = "unknown-torrent" | "no-space" | "not-wanted";

/** An order that its volunteer gives back. */
export interface DeclinedOrder {
  readonly id: string;
  readonly reason: DeclineReason;
}

export type FailureKind = "unreachable" | "wrong-piece" | "missing-piece";

/** What one peer has seen of another. */
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
  /** Info hashes of torrents that this peer left. */
  readonly left: readonly string[];
  /** Shared by peers near each other; at most 64 bytes. Only read with `started`. */
  readonly zone?: string | undefined;
  /** Left out: it lends no space. */
  readonly volunteer?: Volunteer | undefined;
  readonly declined?: readonly DeclinedOrder[] | undefined;
  /** What it would let go of, once an answer grants it. */
  readonly drops?: readonly PieceRanges[] | undefined;
  /** At most 64. */
  readonly failures?: readonly FailureReport[] | undefined;
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
  /** All that a volunteer is to copy; what is not here any more is called off. Left out: nothing. */
  readonly orders?: readonly ReplicationOrder[] | undefined;
  /** Of `drops`: what may go. Left out: nothing. */
  readonly grants?: readonly PieceRanges[] | undefined;
  /** To a peer that is draining: pieces that nobody else who stays has yet, where somebody could. Left out: 0. */
  readonly lastCopies?: number | undefined;
}

/** A tracker seen from a peer or a downloader. Calls fail with PiezaError; an aborted signal rejects with its reason. */
export interface Tracker {
  readonly url: string;
  announce(announce: Announce, signal: AbortSignal): Promise<Announced>;
  locate(query: LocateQuery, signal: AbortSignal): Promise<SwarmTable>;
}

import type { Trouble } from "../base/errors.ts";

/** Snapshots of a download: plain data, cheap to copy to another thread, never changed. */

export type DownloadState =
  /** Asking the tracker for the first time, or learning the lengths of a legacy torrent. */
  | "starting"
  /** Pieces are on their way. */
  | "downloading"
  /** No reachable peer has the missing pieces; `reason` says what the download waits for. */
  | "waiting"
  /** Paused by choice; `resume()` goes on. */
  | "paused"
  /** Every wanted piece is verified and stored, and the file has its final name. */
  | "complete"
  /** Ended because of `reason`. Held pieces stay for the next run. */
  | "failed"
  /** Ended by stop(). */
  | "stopped";

/**
 * What a download waits for: an answer of any tracker, any peer, one that has the missing pieces, or the end of a
 * pause that such a peer asked for, because it is busy or over its own rate limit.
 */
export type Lack = "no_tracker" | "no_peer" | "no_holder" | "busy_holder";

export interface DownloadSnapshot {
  readonly state: DownloadState;
  /** What the download waits for, or why it failed; empty otherwise. */
  readonly reason: string;
  /** The same as a code, for callers with words of their own; undefined if `reason` is empty. */
  readonly trouble: Trouble | Lack | undefined;
  /**
   * A piece may be on its way: a peer is asked that has not disappointed since its last piece, or requests are held
   * back by the rate limit or the store. False while only doomed requests are made, whatever the state.
   */
  readonly promising: boolean;
  /** A tracker has answered in this run. */
  readonly located: boolean;
  /** Wanted pieces: all, unless only some files are wanted. */
  readonly totalPieces: number;
  readonly heldPieces: number;
  /** Bytes of the wanted pieces. */
  readonly totalBytes: number;
  /** Bytes verified and stored, including those of an earlier run. */
  readonly heldBytes: number;
  /** Bytes verified and stored in this run. */
  readonly downloadedBytes: number;
  /** Bytes received in this run that did not become part of the file: wrong, late or requested twice. */
  readonly wastedBytes: number;
  /** Bytes per second of verified pieces, over the last seconds. */
  readonly rate: number;
  /** Undefined while no bytes arrive. */
  readonly etaMs: number | undefined;
  readonly elapsedMs: number;
  /** Every peer met, in the order met: `peers[slot]`. */
  readonly peers: readonly PeerSnapshot[];
  /** One entry a piece; see PieceMap. */
  readonly pieceMap: Uint16Array;
}

/** Entries of `pieceMap`: two constants, and for each peer one in flight (even) and one held, from the peer (odd). */
export const PieceMap = {
  MISSING: 0,
  /** Held since before this run. */
  HELD_BEFORE: 1,
  inFlight: (slot: number) => 2 + 2 * slot,
  from: (slot: number) => 3 + 2 * slot,
  isHeld: (entry: number) => entry % 2 === 1,
  /** The peer's slot, or -1 for the two constants. */
  slotOf: (entry: number) => (entry >> 1) - 1,
} as const;

export type PeerState =
  /** Asking for its bitfield. */
  | "connecting"
  /** Has requests under way, or gives pieces at the download's own rate limit, which holds back the next one. */
  | "active"
  /** No request is possible at the moment. */
  | "idle"
  /** Failed; asked again later. */
  | "backing off"
  /** Sent a wrong piece: never asked again in this download. */
  | "banned"
  /** Cannot be used from here (an http peer from an https page); `reason` says why. */
  | "skipped";

export interface PeerSnapshot {
  readonly slot: number;
  readonly url: string;
  /** "grpc", "grpc-web", "connect", or "seed" for a legacy peer. */
  readonly transport: string;
  readonly state: PeerState;
  /** Why the peer is backing off, banned or skipped; empty otherwise. */
  readonly reason: string;
  /** The kind of the failure; undefined if `reason` is empty. */
  readonly trouble: Trouble | undefined;
  /** Pieces of the peer, by its word. */
  readonly hasPieces: number;
  /** Verified pieces and bytes from this peer in this run. */
  readonly servedPieces: number;
  readonly servedBytes: number;
  /** Requests under way. */
  readonly inFlight: number;
  /** Bytes per second over the last seconds. */
  readonly rate: number;
}

import type { Trouble } from "../base/errors.ts";

/** Looking at a download: plain data, cheap to copy to another thread, never changed once given out. */

export type DownloadState =
  /** Asking the tracker for the first time, or learning the lengths of a legacy torrent. */
  | "starting"
  /** Pieces are on their way. */
  | "downloading"
  /** Nobody reachable has what is missing; `reason` says what it waits for. */
  | "waiting"
  /** Stopped asking, by choice; `resume()` goes on. */
  | "paused"
  /** Every wanted piece is verified and stored, and the file has its final name. */
  | "complete"
  /** Ended by `reason`; what is held stays for the next time. */
  | "failed"
  /** Ended by stop(). */
  | "stopped";

/** What a download waits for: an answer of any tracker, any peer, or one that has the missing pieces. */
export type Lack = "no_tracker" | "no_peer" | "no_holder";

export interface DownloadSnapshot {
  readonly state: DownloadState;
  /** In words: what it waits for, or why it failed. Empty otherwise. */
  readonly reason: string;
  /** The same for those who say it in other words; undefined where `reason` is empty. */
  readonly trouble: Trouble | Lack | undefined;
  /** A tracker has answered in this run. */
  readonly located: boolean;
  /** Pieces wanted: all, unless only some files are. */
  readonly totalPieces: number;
  readonly heldPieces: number;
  /** Bytes of the pieces wanted. */
  readonly totalBytes: number;
  /** Bytes verified and stored, those from an earlier run included. */
  readonly heldBytes: number;
  /** Bytes verified and stored in this run. */
  readonly downloadedBytes: number;
  /** Bytes that came in this run and did not become part of the file: wrong, late or asked for twice. */
  readonly wastedBytes: number;
  /** Bytes per second of verified pieces, over the last seconds. */
  readonly rate: number;
  /** Undefined while nothing comes. */
  readonly etaMs: number | undefined;
  readonly elapsedMs: number;
  /** Every peer met, in the order met: `peers[slot]`. */
  readonly peers: readonly PeerSnapshot[];
  /** One entry a piece; see PieceMap. */
  readonly pieceMap: Uint16Array;
}

/**
 * What an entry of `pieceMap` says. Besides the two constants there are two entries for each peer, made by `inFlight`
 * and `from` and taken apart by `slotOf`: even ones are in flight from that peer, odd ones held and came from it.
 */
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
  /** Has requests under way. */
  | "active"
  /** Nothing to ask it for at the moment. */
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
  /** "grpc", "grpc-web", "connect" or "legacy". */
  readonly transport: string;
  readonly state: PeerState;
  /** In words, for backing off, banned and skipped. */
  readonly reason: string;
  /** What it comes down to; undefined where `reason` is empty. */
  readonly trouble: Trouble | undefined;
  /** Pieces that it says it has. */
  readonly hasPieces: number;
  /** Verified pieces and bytes that came from it in this run. */
  readonly servedPieces: number;
  readonly servedBytes: number;
  /** Requests under way. */
  readonly inFlight: number;
  /** Bytes per second over the last seconds. */
  readonly rate: number;
}

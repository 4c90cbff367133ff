import type { Bitfield } from "../base/bitfield.ts";
import type { PieceIndex } from "../torrent/piece.ts";

/** Where a peer's own time before an answer went, in milliseconds. Its word, and no proof of anything. */
export interface PeerTiming {
  /** Held back by its limits. */
  readonly limitMs: number;
  /** Reading the piece from its disk. */
  readonly readMs: number;
}

/** Takes a piece's bytes in order, as they come. Throws WrongPiece as soon as they cannot be the piece. */
export interface PieceSink {
  /**
   * The bytes may be reused by the caller when the call (or its promise) has ended. They may be a Node Buffer, whose
   * `slice` makes no copy.
   */
  write(bytes: Uint8Array): void | Promise<void>;
  /** Called by what reads the answer's head, if the peer says so there. */
  timed?(timing: PeerTiming): void;
}

/**
 * A peer that serves one torrent, seen from a downloader. Every implementation runs test/contract/remote-peer.ts.
 *
 * Every call fails with PeerFailed, whatever the peer did, but for three: an aborted `signal` rejects with its reason,
 * an error that `sink.write` threw comes through as it is, and a piece's answer that is too long is a WrongPiece.
 */
export interface RemotePeer {
  /** Scheme, host and port: the peer's identity for bans and display. */
  readonly url: string;
  /** What carries the bytes, for `explain`: "grpc", "grpc-web", "connect", "seed". */
  readonly transport: string;
  /** The pieces that the peer has now. Fails if it speaks of another number of pieces than `totalPieces`. */
  getBitfield(signal: AbortSignal): Promise<Bitfield>;
  /**
   * Asks for one piece and feeds it to `sink`. Resolves when the peer has sent everything; whether that was the piece
   * is the sink's to say. Reads no more than the piece's length and 1 KiB: an answer that says that it is longer, or
   * turns out to be, is no mishap, and fails with WrongPiece.
   */
  getPiece(index: PieceIndex, sink: PieceSink, signal: AbortSignal): Promise<void>;
  /** Lets go of the connections. Calls under way fail. */
  close(): void;
}

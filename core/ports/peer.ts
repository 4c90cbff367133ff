import type { Bitfield } from "../base/bitfield.ts";
import type { PieceIndex } from "../torrent/piece.ts";

/** Milliseconds that a peer spent before it answered. The peer reports them; nothing proves them. */
export interface PeerTiming {
  /** Held back by the peer's rate limits. */
  readonly limitMs: number;
  /** Reading the piece from the peer's disk. */
  readonly readMs: number;
}

/** Receives a piece's bytes in order. Throws WrongPiece as soon as they cannot be the piece. */
export interface PieceSink {
  /** The caller may reuse the bytes when the call or its promise ends. `slice` does not copy those of a Buffer. */
  write(bytes: Uint8Array): void | Promise<void>;
  /** Called as bytes arrive, by a client that puts the piece together before it writes it. */
  coming?(bytes: number): void;
  /** Called with the peer's times, if the head of its answer has them. */
  timed?(timing: PeerTiming): void;
}

/**
 * A peer that serves one torrent, as a downloader sees it. Every implementation runs test/contract/remote-peer.ts.
 *
 * Calls fail with PeerFailed whatever the peer did, except: an aborted `signal` rejects with its reason, an error
 * thrown by `sink.write` passes through, and an answer too long for its piece is a WrongPiece.
 */
export interface RemotePeer {
  /** Scheme, host and port: the peer's identity for bans and display. */
  readonly url: string;
  /** The protocol, for `explain`: "grpc", "grpc-web", "connect", or "seed" for a legacy peer. */
  readonly transport: string;
  /** The pieces that the peer has now. Fails if the peer's torrent has another number of pieces. */
  getBitfield(signal: AbortSignal): Promise<Bitfield>;
  /**
   * Requests one piece and writes it to `sink`, which decides whether it is the piece. Resolves when the peer has
   * sent everything. The sink hears of bytes as they arrive, by `write` or by `coming`: a request of which it hears
   * nothing for long counts as stalled. Reads at most the piece's length and 1 KiB: an answer that is longer, or says so, is a
   * WrongPiece.
   */
  getPiece(index: PieceIndex, sink: PieceSink, signal: AbortSignal): Promise<void>;
  /** Closes the connections. Calls under way fail. */
  close(): void;
}

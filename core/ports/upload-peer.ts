import type { Bitfield } from "../base/bitfield.ts";
import type { PieceIndex } from "../torrent/piece.ts";

/**
 * A peer that takes uploads, seen from a publisher of one torrent. Every call fails with PeerFailed, whatever the peer
 * did, but for an aborted `signal`, which rejects with its reason.
 */
export interface UploadPeer {
  /** Scheme, host and port. */
  readonly url: string;
  /** The pieces that the peer has now; none if it does not know the torrent yet. */
  getBitfield(signal: AbortSignal): Promise<Bitfield>;
  /** Gives it one piece. Resolves when the peer has verified and stored it, or had it before. */
  storePiece(index: PieceIndex, bytes: Uint8Array, signal: AbortSignal): Promise<void>;
  /** Calls under way fail. */
  close(): void;
}

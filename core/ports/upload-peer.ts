import type { Bitfield } from "../base/bitfield.ts";
import type { PieceIndex } from "../torrent/piece.ts";

/** A peer that accepts pieces of one torrent. Calls fail with PeerFailed, or on abort with the signal's reason. */
export interface UploadPeer {
  /** Scheme, host and port. */
  readonly url: string;
  /** The pieces that the peer has now; none if it does not know the torrent yet. */
  getBitfield(signal: AbortSignal): Promise<Bitfield>;
  /** Uploads one piece. Resolves when the peer has verified and stored it, or had it before. */
  storePiece(index: PieceIndex, bytes: Uint8Array, signal: AbortSignal): Promise<void>;
  /** Makes the calls under way fail. */
  close(): void;
}

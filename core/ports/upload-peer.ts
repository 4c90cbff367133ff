import type { Bitfield } from "../base/bitfield.ts";
import type { PieceIndex } from "../torrent/piece.ts";

/**
 * A peer that accepts uploads, as the publisher of one torrent sees it. Calls fail with PeerFailed whatever the peer
 * did; only an aborted `signal` rejects with its reason.
 */
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

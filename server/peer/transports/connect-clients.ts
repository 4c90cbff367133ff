import type { RemotePeer } from "#core/ports/peer.ts";
import type { Tracker } from "#core/ports/tracker.ts";
import { remoteLegacyPeer, remotePeer, remoteTracker } from "#core/rpc/rpc.ts";
import { MAX_PIECE_LENGTH, type PieceIndex } from "#core/torrent/piece.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { nodeClock } from "../../base/node-clock.ts";
import { openTransport, type TransportKind } from "../../http/client/transports.ts";

/** Room for what is around a piece in its message. */
const MESSAGE_SLACK_BYTES = 1 << 10;
/** Room for the other answers of a peer where pieces are tiny: a bitfield of the most pieces is 16 KiB. */
const MIN_READ_BYTES = 64 << 10;

export interface StockPeerOptions {
  readonly url: string;
  /** Registered under the seed's contract. */
  readonly seed: boolean;
  readonly kind: TransportKind;
  readonly torrent: Torrent;
  readonly pieceLength: (index: PieceIndex) => number;
  readonly ca: string | undefined;
}

/** A peer over the library's own transports. */
export function stockPeer({ url, seed, kind, torrent, pieceLength, ca }: StockPeerOptions): RemotePeer {
  // A torrent without lengths may turn out to contradict itself: then a piece is read that is longer than the others.
  const longest = torrent.lengths ? Math.max(torrent.lengths.pieceLength, MIN_READ_BYTES) : MAX_PIECE_LENGTH;
  const { transport, close } = openTransport(url, kind, { ca, readMaxBytes: longest + MESSAGE_SLACK_BYTES });
  const { infoHash, fileName } = torrent;
  const way = { url, transport, pieceLength, clock: nodeClock, close };
  if (seed) return remoteLegacyPeer({ ...way, fileName });
  return remotePeer({ ...way, transportName: kind, swarm: { infoHash, totalPieces: torrent.pieces.length } });
}

/** A tracker over the library's gRPC. */
export function stockTracker(url: string, ca: string | undefined): { tracker: Tracker; close: () => void } {
  const { transport, close } = openTransport(url, "grpc", { ca });
  return { tracker: remoteTracker({ url, transport }), close };
}

import type { LookupFunction } from "node:net";
import type { RemotePeer } from "#core/ports/peer.ts";
import { MESSAGE_SLACK_BYTES } from "#core/rpc/call-limits.ts";
import { remoteLegacyPeer, remotePeer, remoteTracker } from "#core/rpc/rpc.ts";
import { MAX_PIECE_LENGTH, type PieceIndex } from "#core/torrent/piece.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { nodeClock } from "../../base/node-clock.ts";
import { openTransport, type TransportKind } from "../../http/client/transports.ts";
import type { OpenTracker } from "./plain-tracker.ts";

/** Least limit on a peer's answers, for torrents of tiny pieces: a bitfield of the most pieces has 16 KiB. */
const MIN_READ_BYTES = 64 << 10;

export interface NamedPeer {
  readonly url: string;
  /** Whether the peer is registered under the legacy contract and may speak nothing but gRPC. */
  readonly legacy: boolean;
  readonly pieceLength: (index: PieceIndex) => number;
}

export interface ConnectPeerOptions extends NamedPeer {
  readonly kind: TransportKind;
  readonly torrent: Torrent;
  readonly ca: string | undefined;
  /** Resolves the host's name. Default: the system's resolver. */
  readonly lookup?: LookupFunction | undefined;
}

/** A client of one peer over the Connect library's transports. */
export function peerClient(options: ConnectPeerOptions): RemotePeer {
  const { url, legacy, kind, torrent, pieceLength, ca, lookup } = options;
  // Without lengths in the torrent, any piece may turn out to be longer than the others.
  const longest = torrent.lengths ? Math.max(torrent.lengths.pieceLength, MIN_READ_BYTES) : MAX_PIECE_LENGTH;
  const { transport, close } = openTransport(url, kind, {
    ca,
    lookup,
    readMaxBytes: longest + MESSAGE_SLACK_BYTES,
  });
  const { infoHash, fileName } = torrent;
  const remote = { url, transport, pieceLength, clock: nodeClock, close };
  if (legacy) return remoteLegacyPeer({ ...remote, fileName });
  const swarm = { infoHash, totalPieces: torrent.pieces.length };
  return remotePeer({ ...remote, transportName: kind, swarm });
}

/** A client of one tracker over the Connect library's gRPC. `lookup` resolves its host. */
export function trackerClient(url: string, ca: string | undefined, lookup?: LookupFunction): OpenTracker {
  const { transport, close } = openTransport(url, "grpc", { ca, lookup });
  return { ...remoteTracker({ url, transport }), close };
}

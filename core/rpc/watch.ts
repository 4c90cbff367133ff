import { createClient, type Transport } from "@connectrpc/connect";
import {
  TrackerService,
  type WatchedOrder as WatchedOrderMessage,
  type WatchedPeer as WatchedPeerMessage,
  type WatchSwarmResponse,
} from "../../gen/pieza/v1/tracker_pb.ts";
import { Bitfield } from "../base/bitfield.ts";
import type { PieceRange, SwarmKey } from "../ports/tracker.ts";
import { calling } from "./call.ts";
import { toIndices } from "./replication.ts";

/** A peer of a swarm as a tracker shows it to people who look. */
export interface WatchedPeer {
  readonly url: string;
  readonly heldPieces: number;
  /** Undefined where the tracker left it out, in a swarm too large for one message. */
  readonly bitfield: Bitfield | undefined;
  /** It finishes what is under way and leaves. */
  readonly draining: boolean;
  /** The tracker names it to others. */
  readonly listed: boolean;
  /** Shared by peers near each other; empty: not known. */
  readonly zone: string;
  /** It lends space for copies. */
  readonly volunteer: boolean;
}

/** One volunteer's copying. */
export interface WatchedOrder {
  /** Who copies. */
  readonly url: string;
  readonly ranges: readonly PieceRange[];
  /** URLs of those that it copies from. */
  readonly sources: readonly string[];
}

/** How far the copies of a torrent are from what it asks for. */
export interface WatchedCopies {
  /** Copies wanted of every piece; 0: nothing is copied. */
  readonly target: number;
  /** Pieces with fewer copies among listed peers that stay, and of those the ones that nobody has. */
  readonly underTarget: number;
  readonly lost: number;
  /** Pieces in orders under way. */
  readonly ordered: number;
  /** Copied by orders since the tracker's start. */
  readonly bytesCopied: number;
  readonly orders: readonly WatchedOrder[];
}

/** What a tracker sends at most; more is cut off. */
const MAX_PEERS = 1_000;
const MAX_ORDERS = 1_000;

/**
 * Calls `onSwarm` with the swarm as it is now, and after each change, until `signal` is aborted; rejects with its reason
 * then, and with PiezaError when the tracker fails or ends the stream.
 */
export function watchSwarm(
  { transport, swarm }: { transport: Transport; swarm: SwarmKey },
  onSwarm: (peers: readonly WatchedPeer[], copies: WatchedCopies) => void,
  signal: AbortSignal,
): Promise<void> {
  const client = createClient(TrackerService, transport);
  return calling(signal, async () => {
    const { infoHash, totalPieces } = swarm;
    for await (const seen of client.watchSwarm({ infoHash, totalPieces }, { signal })) {
      const peers = seen.peers.slice(0, MAX_PEERS).map((peer) => watchedPeer(peer, totalPieces));
      onSwarm(peers, watchedCopies(seen, totalPieces));
    }
    throw new Error("the tracker ended the watch");
  });
}

function watchedPeer(peer: WatchedPeerMessage, totalPieces: number): WatchedPeer {
  const { url, complete, bitfield, piecesHeld, draining, listed, zone, volunteer } = peer;
  return {
    url,
    heldPieces: complete ? totalPieces : Math.min(totalPieces, piecesHeld),
    bitfield: complete
      ? Bitfield.full(totalPieces)
      : bitfield.length > 0
        ? Bitfield.fromBytes(totalPieces, bitfield)
        : undefined,
    draining,
    listed,
    zone,
    volunteer,
  };
}

function watchedCopies({ replication, orders }: WatchSwarmResponse, totalPieces: number): WatchedCopies {
  const pieces = (count: number | undefined) => Math.min(totalPieces, count ?? 0);
  return {
    target: replication?.target ?? 0,
    underTarget: pieces(replication?.piecesUnderTarget),
    lost: pieces(replication?.piecesLost),
    ordered: replication?.piecesOrdered ?? 0,
    bytesCopied: Number(replication?.bytesCopied ?? 0n),
    orders: orders.slice(0, MAX_ORDERS).map((order) => watchedOrder(order, totalPieces)),
  };
}

function watchedOrder({ url, ranges, sources }: WatchedOrderMessage, totalPieces: number): WatchedOrder {
  return { url, ranges: toIndices(ranges, totalPieces), sources };
}

import { createClient, type Transport } from "@connectrpc/connect";
import {
  TrackerService,
  type WatchedPeer as WatchedPeerMessage,
  type WatchSwarmResponse,
} from "../../gen/pieza/v1/tracker_pb.ts";
import { Bitfield } from "../base/bitfield.ts";
import type { PieceRange, SwarmKey } from "../ports/tracker.ts";
import { calling } from "./call.ts";
import { toIndices } from "./replication.ts";

/** A peer in a tracker's view of a swarm. */
export interface WatchedPeer {
  readonly url: string;
  readonly heldPieces: number;
  /** Undefined if the tracker left it out: the swarm is too large for one message. */
  readonly bitfield: Bitfield | undefined;
  /** The peer finishes its requests under way and leaves. */
  readonly draining: boolean;
  readonly listed: boolean;
  /** A name shared by peers near each other; empty if unknown. */
  readonly zone: string;
  readonly volunteer: boolean;
}

export interface WatchedOrder {
  /** The volunteer's URL. */
  readonly url: string;
  readonly ranges: readonly PieceRange[];
  /** URLs of the peers that it copies from. */
  readonly sources: readonly string[];
}

/** The distance between a torrent's copies and its replication target. */
export interface WatchedCopies {
  /** Copies wanted of every piece; 0 if none are wanted. */
  readonly target: number;
  /** Pieces with fewer copies among listed peers that stay, and those of them that no peer has. */
  readonly underTarget: number;
  readonly lost: number;
  /** Pieces in orders under way. */
  readonly ordered: number;
  /** Bytes copied by orders since the tracker's start. */
  readonly bytesCopied: number;
  readonly orders: readonly WatchedOrder[];
}

/** The most that a tracker sends; more is cut off. */
const MAX_PEERS = 1_000;
const MAX_ORDERS = 1_000;

/** Calls `onSwarm` now and after each change. Rejects with the signal's reason, or PiezaError if the stream ends. */
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
  const shown = { url, draining, listed, zone, volunteer };
  if (complete) return { ...shown, heldPieces: totalPieces, bitfield: Bitfield.full(totalPieces) };
  const heldPieces = Math.min(totalPieces, piecesHeld);
  const given = bitfield.length > 0;
  return { ...shown, heldPieces, bitfield: given ? Bitfield.fromBytes(totalPieces, bitfield) : undefined };
}

function watchedCopies({ replication, orders }: WatchSwarmResponse, totalPieces: number): WatchedCopies {
  const pieces = (count: number | undefined) => Math.min(totalPieces, count ?? 0);
  return {
    target: replication?.target ?? 0,
    underTarget: pieces(replication?.piecesUnderTarget),
    lost: pieces(replication?.piecesLost),
    ordered: replication?.piecesOrdered ?? 0,
    bytesCopied: Number(replication?.bytesCopied ?? 0n),
    orders: orders
      .slice(0, MAX_ORDERS)
      .map(({ url, ranges, sources }) => ({ url, ranges: toIndices(ranges, totalPieces), sources })),
  };
}

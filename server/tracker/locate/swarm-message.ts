import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type { Bitfield } from "#core/base/bitfield.ts";
import type { Random } from "#core/base/clock.ts";
import {
  LocatePiecesResponseSchema,
  type SwarmPeer,
  SwarmPeerSchema,
  type WatchedPeerSchema,
} from "#gen/pieza/v1/tracker_pb.ts";
import { perObject } from "../store/per-object.ts";
import type { SwarmMember, SwarmSnapshot } from "../store/swarm-store.ts";
import { legacyTable } from "./legacy-table.ts";
import type { PeerSelection } from "./peer-selector.ts";
import { unchangedSince } from "./table-revision.ts";

/** Peers in one message of WatchSwarm, and the bytes of their bitfields: the message stays under 4 MiB. */
const MAX_WATCHED = 1_000;
const MAX_WATCHED_BYTES = 3 << 20;

/** Bytes of an answer that bitfields and declared pieces share, and the least that declared pieces get. */
const MAX_TABLE_BYTES = 640 << 10;
const MIN_DECLARED_BYTES = 64 << 10;

const NOTHING: Uint8Array = new Uint8Array();

const peerMessages = perObject((peers: readonly SwarmMember[]): SwarmPeer[] => peers.map(peerMessage));

/** `LocatePiecesResponse.peers` with one peer, encoded. */
const peerField = perObject((peer: SwarmMember): Uint8Array => {
  const alone = create(LocatePiecesResponseSchema, { peers: [peerMessage(peer)] });
  return toBinary(LocatePiecesResponseSchema, alone);
});

/**
 * The peers of a table as messages. Leaves out the bitfields that the caller has from the answer of revision `since`.
 */
export function swarmPeers(peers: readonly SwarmMember[], since = NOTHING): SwarmPeer[] {
  const made = peerMessages(peers);
  if (since.length === 0) return made;
  const unchanged = unchangedSince(since);
  return made.map((message, at) =>
    unchanged(peers[at]!) ? create(SwarmPeerSchema, { url: message.url, unchanged: true }) : message,
  );
}

/**
 * `LocatePiecesResponse.peers` encoded, one part for each peer. Parts are cached by peer, because usually one peer of
 * a table has changed, and encoding all fifty takes as long as a hundred calls that name them.
 */
export function peerFields(peers: readonly SwarmMember[]): Uint8Array[] {
  return peers.map(peerField);
}

/** The legacy peers of an answer, with as many of their declared pieces as the bitfields leave room for. */
export function legacyFields(
  { peers, legacyPeers }: PeerSelection,
  random: Random,
): Pick<MessageInitShape<typeof LocatePiecesResponseSchema>, "seedPeers" | "seedPieces"> {
  if (legacyPeers.length === 0) return {};
  const taken = peers.reduce((sum, peer) => sum + (peer.bitfield.complete ? 0 : peer.bitfield.size / 8), 0);
  const { pairs, declared } = legacyTable(
    legacyPeers,
    Math.max(MIN_DECLARED_BYTES, MAX_TABLE_BYTES - taken),
    random,
  );
  return {
    seedPeers: legacyPeers.map(({ url }, at) => ({ url, declared: bytesOf(declared[at]!) })),
    seedPieces: [...pairs],
  };
}

/** The first 1,000 peers of a swarm. A bitfield that does not fit is left out; `piecesHeld` counts its pieces. */
export function watchedPeers(swarm: SwarmSnapshot): MessageInitShape<typeof WatchedPeerSchema>[] {
  let left = MAX_WATCHED_BYTES;
  return swarm.members.slice(0, MAX_WATCHED).map((peer) => {
    const { complete, bitfield } = wireBitfield(peer);
    left -= bitfield.length;
    const { url, draining, listed, zone, volunteer } = peer;
    const held = {
      complete,
      bitfield: left >= 0 ? bitfield : new Uint8Array(),
      piecesHeld: peer.bitfield.count,
    };
    return { url, draining, listed, zone, volunteer, ...held };
  });
}

function peerMessage(peer: SwarmMember): SwarmPeer {
  return create(SwarmPeerSchema, { url: peer.url, ...wireBitfield(peer) });
}

function wireBitfield({ bitfield }: SwarmMember): { complete: boolean; bitfield: Uint8Array<ArrayBuffer> } {
  const { complete } = bitfield;
  return { complete, bitfield: complete ? new Uint8Array() : bytesOf(bitfield) };
}

function bytesOf(bitfield: Bitfield): Uint8Array<ArrayBuffer> {
  return bitfield.toBytes() as Uint8Array<ArrayBuffer>;
}

import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type { Bitfield } from "#core/base/bitfield.ts";
import type { Random } from "#core/base/clock.ts";
import {
  LocatePiecesResponseSchema,
  type SwarmPeer,
  SwarmPeerSchema,
  type WatchedPeerSchema,
} from "#gen/pieza/v1/tracker_pb.ts";
import type { SwarmMember, SwarmSnapshot } from "../store/swarm-store.ts";
import { legacyTable } from "./legacy-table.ts";
import type { PeerSelection } from "./peer-selector.ts";
import { unchangedSince } from "./table-revision.ts";

/** Peers in one message of WatchSwarm, and the bytes of their bitfields: the answer stays under 4 MiB. */
const MAX_WATCHED = 1_000;
const MAX_WATCHED_BYTES = 3 << 20;

/** Bytes of an answer that bitfields and declared pieces share, and what declared pieces get in any case. */
const MAX_TABLE_BYTES = 640 << 10;
const MIN_DECLARED_BYTES = 64 << 10;

const NOTHING: Uint8Array = new Uint8Array();
const messages = new WeakMap<readonly SwarmMember[], SwarmPeer[]>();
const fields = new WeakMap<SwarmMember, Uint8Array>();

/**
 * The peers of a table, made once per table: most answers between two changes name the same. Bitfields that the caller
 * has from the answer of revision `since` are left out.
 */
export function swarmPeers(peers: readonly SwarmMember[], since = NOTHING): SwarmPeer[] {
  const made = messages.get(peers) ?? peers.map(peerMessage);
  messages.set(peers, made);
  if (since.length === 0) return made;
  const unchanged = unchangedSince(since);
  return made.map((message, at) =>
    unchanged(peers[at]!) ? create(SwarmPeerSchema, { url: message.url, unchanged: true }) : message,
  );
}

/**
 * `LocatePiecesResponse.peers` in its bytes, a part for each peer that is not copied: mostly one of them has changed
 * since the last time, and to encode a table of fifty takes as long as a hundred calls that name it.
 */
export function peerFields(peers: readonly SwarmMember[]): Uint8Array[] {
  return peers.map((peer) => {
    const known = fields.get(peer);
    if (known) return known;
    const alone = create(LocatePiecesResponseSchema, { peers: [peerMessage(peer)] });
    const field = toBinary(LocatePiecesResponseSchema, alone);
    fields.set(peer, field);
    return field;
  });
}

/** The seed peers of a table, with as much of what they declare as its bitfields leave room for. */
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

/**
 * The peers of a swarm for people who look: the first 1,000. A bitfield that does not fit any more is left out, and
 * `pieces_held` says how much of it there is.
 */
export function watchedPeers(swarm: SwarmSnapshot): MessageInitShape<typeof WatchedPeerSchema>[] {
  let left = MAX_WATCHED_BYTES;
  return swarm.members.slice(0, MAX_WATCHED).map((peer) => {
    const { complete, bitfield } = wireBitfield(peer);
    left -= bitfield.length;
    const { url, draining, listed, zone, volunteer } = peer;
    const fits = left >= 0 ? bitfield : new Uint8Array();
    return {
      url,
      draining,
      listed,
      zone,
      volunteer,
      complete,
      bitfield: fits,
      piecesHeld: peer.bitfield.count,
    };
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

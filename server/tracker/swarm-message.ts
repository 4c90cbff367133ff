import type { MessageInitShape } from "@bufbuild/protobuf";
import type { SwarmPeerSchema, WatchedPeerSchema } from "#gen/pieza/v1/tracker_pb.ts";
import type { Swarm, SwarmMember } from "./swarm-store.ts";

/** Peers in one message of WatchSwarm, and the bytes of their bitfields: the answer stays under 4 MiB. */
const MAX_WATCHED = 1_000;
const MAX_WATCHED_BYTES = 3 << 20;

const messages = new WeakMap<readonly SwarmMember[], MessageInitShape<typeof SwarmPeerSchema>[]>();

/** The peers of a table, made once per table: most answers between two changes name the same. */
export function swarmPeers(peers: readonly SwarmMember[]): MessageInitShape<typeof SwarmPeerSchema>[] {
  const made = messages.get(peers) ?? peers.map((peer) => ({ url: peer.url, ...wireBitfield(peer) }));
  messages.set(peers, made);
  return made;
}

/**
 * The peers of a swarm for people who look: the first 1,000. A bitfield that does not fit any more is left out, and
 * `pieces_held` says how much of it there is.
 */
export function watchedPeers(swarm: Swarm): MessageInitShape<typeof WatchedPeerSchema>[] {
  let left = MAX_WATCHED_BYTES;
  return swarm.members.slice(0, MAX_WATCHED).map((peer) => {
    const { complete, bitfield } = wireBitfield(peer);
    left -= bitfield.length;
    const { url, draining, listed } = peer;
    const fits = left >= 0 ? bitfield : new Uint8Array();
    return { url, draining, listed, complete, bitfield: fits, piecesHeld: peer.bitfield.count };
  });
}

function wireBitfield({ bitfield }: SwarmMember): { complete: boolean; bitfield: Uint8Array<ArrayBuffer> } {
  const { complete } = bitfield;
  return {
    complete,
    bitfield: complete ? new Uint8Array() : (bitfield.toBytes() as Uint8Array<ArrayBuffer>),
  };
}

import { createClient, type Transport } from "@connectrpc/connect";
import { TrackerService } from "../gen/pieza/v1/tracker_pb.ts";
import { Bitfield } from "./bitfield.ts";
import { calling } from "./rpc-call.ts";
import type { SwarmKey } from "./tracker.ts";

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
}

/** What a tracker sends at most; more is cut off. */
const MAX_PEERS = 1_000;

/**
 * Calls `onSwarm` with the swarm as it is now, and after each change, until `signal` is aborted; rejects with its reason
 * then, and with PiezaError when the tracker fails or ends the stream.
 */
export function watchSwarm(
  { transport, swarm }: { transport: Transport; swarm: SwarmKey },
  onSwarm: (peers: readonly WatchedPeer[]) => void,
  signal: AbortSignal,
): Promise<void> {
  const client = createClient(TrackerService, transport);
  return calling(signal, async () => {
    const { infoHash, totalPieces } = swarm;
    for await (const { peers } of client.watchSwarm({ infoHash, totalPieces }, { signal })) {
      onSwarm(
        peers.slice(0, MAX_PEERS).map(({ url, complete, bitfield, piecesHeld, draining, listed }) => ({
          url,
          heldPieces: complete ? totalPieces : Math.min(totalPieces, piecesHeld),
          bitfield: complete
            ? Bitfield.full(totalPieces)
            : bitfield.length > 0
              ? Bitfield.fromBytes(totalPieces, bitfield)
              : undefined,
          draining,
          listed,
        })),
      );
    }
    throw new Error("the tracker ended the watch");
  });
}

import { type CallOptions, createClient, type Transport } from "@connectrpc/connect";
import { PeerService } from "../../gen/pieza/v1/peer_pb.ts";
import { Bitfield } from "../base/bitfield.ts";
import { neverBreathe } from "../base/breathe.ts";
import { PeerFailed, PiezaError } from "../base/errors.ts";
import type { Hasher } from "../base/hash.ts";
import type { RemotePeer } from "../ports/peer.ts";
import { parseServerTiming } from "../ports/server-timing.ts";
import type { SwarmKey } from "../ports/tracker.ts";
import { pieceNumber } from "../torrent/piece.ts";
import type { Torrent } from "../torrent/torrent.ts";
import { calling, TORRENT_TIMEOUT_MS } from "./call.ts";
import { toPeerFailed } from "./errors.ts";
import { PeerCalls, type PeerClientOptions } from "./peer-call.ts";
import { torrentFromMessage } from "./torrent-fields.ts";

export interface RemotePeerOptions extends PeerClientOptions {
  /** "grpc", "grpc-web" or "connect", for display. */
  readonly transportName: string;
  readonly swarm: SwarmKey;
  /** Takes back the bytes of a piece when its sink is done with them. */
  readonly release?: ((data: Uint8Array) => void) | undefined;
}

/** A peer behind any Connect transport. The library assembles each piece; the sink gets it in one write. */
export function remotePeer(options: RemotePeerOptions): RemotePeer {
  const { url, swarm } = options;
  const client = createClient(PeerService, options.transport);
  const calls = new PeerCalls(url, options.clock, options.close);
  return {
    url,
    transport: options.transportName,
    async getBitfield(signal) {
      const request = { infoHash: swarm.infoHash };
      return bitfieldOf(await calls.small(signal, (call) => client.getBitfield(request, call)), swarm);
    },
    getPiece(index, sink, signal) {
      const request = { infoHash: swarm.infoHash, number: pieceNumber(index) };
      const length = options.pieceLength(index);
      const onHeader = (headers: Headers) => {
        const timing = sink.timed && parseServerTiming(headers.get("server-timing"));
        if (timing) sink.timed?.(timing);
      };
      const run = (call: CallOptions) => client.getPiece(request, { ...call, onHeader });
      return calls.piece(length, sink, signal, run, options.release);
    },
    close: () => calls.close(),
  };
}

/** Reads a peer's answer to GetBitfield. Throws PeerFailed if its torrent has another number of pieces. */
export function bitfieldOf(
  answer: { totalPieces: number; complete: boolean; bitfield: Uint8Array },
  { totalPieces }: SwarmKey,
): Bitfield {
  const problem = `the peer's torrent has ${answer.totalPieces} pieces, not ${totalPieces}`;
  if (answer.totalPieces !== totalPieces) throw new PeerFailed("failed_precondition", problem);
  try {
    return answer.complete ? Bitfield.full(totalPieces) : Bitfield.fromBytes(totalPieces, answer.bitfield);
  } catch (error) {
    throw toPeerFailed(error);
  }
}

/**
 * Fetches the torrent of this info hash from a peer in its swarm. The info hash does not cover trackers, comment and
 * replication target: these are only the peer's word. Fails with PiezaError.
 */
export function torrentFromPeer(
  transport: Transport,
  infoHash: string,
  hasher: Hasher,
  signal: AbortSignal,
  breathe = neverBreathe,
): Promise<Torrent> {
  const client = createClient(PeerService, transport);
  return calling(signal, async () => {
    const answer = await client.getTorrent({ infoHash }, { signal, timeoutMs: TORRENT_TIMEOUT_MS });
    const torrent = await torrentFromMessage(answer.torrent, hasher, breathe);
    if (torrent.infoHash === infoHash) return torrent;
    throw new PiezaError("internal", "the peer answered with another torrent");
  });
}

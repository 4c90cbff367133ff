import { type CallOptions, createClient, type Transport } from "@connectrpc/connect";
import { PeerService } from "../../gen/pieza/v1/peer_pb.ts";
import { Bitfield } from "../base/bitfield.ts";
import type { Clock } from "../base/clock.ts";
import { PeerFailed } from "../base/errors.ts";
import type { RemotePeer } from "../ports/peer.ts";
import { parseServerTiming } from "../ports/server-timing.ts";
import type { SwarmKey } from "../ports/tracker.ts";
import { type PieceIndex, pieceNumber } from "../torrent/piece.ts";
import { toPeerFailed } from "./errors.ts";
import { PeerCalls } from "./peer-call.ts";

export interface RemotePeerOptions {
  /** Scheme, host and port. */
  readonly url: string;
  /** "grpc", "grpc-web" or "connect", for display. */
  readonly transportName: string;
  /** Must refuse messages over the longest piece and 1 KiB, or 64 KiB, before it has them in memory. */
  readonly transport: Transport;
  readonly swarm: SwarmKey;
  /** Bytes of a piece, or the most that it can have where that is not known yet. */
  readonly pieceLength: (index: PieceIndex) => number;
  readonly clock: Clock;
  /** Takes the bytes of a piece back when its sink is done with them. */
  readonly release?: ((data: Uint8Array) => void) | undefined;
  /** Closes the transport. */
  readonly close?: (() => void) | undefined;
}

/** A peer behind a Connect transport of any kind: the library assembles each piece, then the sink gets it in one write. */
export function remotePeer(options: RemotePeerOptions): RemotePeer {
  const { url, swarm, clock } = options;
  const client = createClient(PeerService, options.transport);
  const calls = new PeerCalls(url, clock);
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
    close() {
      calls.close();
      options.close?.();
    },
  };
}

/** What a peer says that it has. Throws PeerFailed if it speaks of another number of pieces. */
export function bitfieldOf(
  answer: { totalPieces: number; complete: boolean; bitfield: Uint8Array },
  { totalPieces }: SwarmKey,
): Bitfield {
  if (answer.totalPieces !== totalPieces) {
    throw new PeerFailed(
      "failed_precondition",
      `the peer's torrent has ${answer.totalPieces} pieces, not ${totalPieces}`,
    );
  }
  try {
    return answer.complete ? Bitfield.full(totalPieces) : Bitfield.fromBytes(totalPieces, answer.bitfield);
  } catch (error) {
    throw toPeerFailed(error);
  }
}

import { createClient, type Transport } from "@connectrpc/connect";
import { PeerService } from "../../gen/tracker_pb.ts";
import type { Clock } from "../base/clock.ts";
import { PeerFailed } from "../base/errors.ts";
import type { RemotePeer } from "../ports/peer.ts";
import { type PieceIndex, pieceNumber } from "../torrent/piece.ts";
import { PeerCalls } from "./peer-call.ts";

export interface RemoteSeedPeerOptions {
  /** Scheme, host and port. */
  readonly url: string;
  /** Must refuse messages over the longest piece and 1 KiB before it has them in memory. */
  readonly transport: Transport;
  /** The torrent's: the only name that the seed's contract has for it. */
  readonly fileName: string;
  /** Bytes of a piece, or the most that it can have where that is not known yet. */
  readonly pieceLength: (index: PieceIndex) => number;
  readonly clock: Clock;
  /** Closes the transport. */
  readonly close?: (() => void) | undefined;
}

/**
 * A peer of the seed's contract. It has no call that tells which pieces it has: only the tracker knows what it
 * declared, so `getBitfield` always fails with unimplemented; and so does `getPiece` of one that only answers HasPiece.
 */
export function remoteSeedPeer(options: RemoteSeedPeerOptions): RemotePeer {
  const { url, fileName, clock } = options;
  const client = createClient(PeerService, options.transport);
  const calls = new PeerCalls(url, clock);
  return {
    url,
    transport: "seed",
    async getBitfield(signal) {
      signal.throwIfAborted();
      throw new PeerFailed("unimplemented", "a seed peer does not tell which pieces it has");
    },
    getPiece(index, sink, signal) {
      const request = { fileName, pieceNumber: pieceNumber(index) };
      const length = options.pieceLength(index);
      return calls.piece(length, sink, signal, (call) => client.downloadPiece(request, call));
    },
    close() {
      calls.close();
      options.close?.();
    },
  };
}

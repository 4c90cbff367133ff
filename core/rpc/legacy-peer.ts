import { createClient } from "@connectrpc/connect";
import { PeerService } from "../../gen/tracker_pb.ts";
import { PeerFailed } from "../base/errors.ts";
import type { RemotePeer } from "../ports/peer.ts";
import { pieceNumber } from "../torrent/piece.ts";
import { PeerCalls, type PeerClientOptions } from "./peer-call.ts";

/** The client of a legacy peer. `fileName` is the torrent's: the legacy contract has no other name for it. */
export interface RemoteLegacyPeerOptions extends PeerClientOptions {
  readonly fileName: string;
}

/**
 * A peer of the legacy contract. No call tells which pieces it has (only the tracker knows what it declared), so
 * `getBitfield` always fails with unimplemented. So does `getPiece` of a peer that only answers HasPiece.
 */
export function remoteLegacyPeer(options: RemoteLegacyPeerOptions): RemotePeer {
  const { url, fileName } = options;
  const client = createClient(PeerService, options.transport);
  const calls = new PeerCalls(url, options.clock, options.close);
  return {
    url,
    transport: "seed",
    async getBitfield(signal) {
      signal.throwIfAborted();
      throw new PeerFailed("unimplemented", "a legacy peer does not tell which pieces it has");
    },
    getPiece(index, sink, signal) {
      const request = { fileName, pieceNumber: pieceNumber(index) };
      const length = options.pieceLength(index);
      return calls.piece(length, sink, signal, (call) => client.downloadPiece(request, call));
    },
    close: () => calls.close(),
  };
}

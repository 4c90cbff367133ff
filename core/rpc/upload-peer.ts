import { createClient } from "@connectrpc/connect";
import { PeerService } from "../../gen/pieza/v1/peer_pb.ts";
import { Bitfield } from "../base/bitfield.ts";
import { PeerFailed } from "../base/errors.ts";
import type { UploadPeer } from "../ports/upload-peer.ts";
import { pieceNumber } from "../torrent/piece.ts";
import { authorized } from "./call.ts";
import { bitfieldOf, type RemotePeerOptions } from "./peer.ts";
import { PeerCalls } from "./peer-call.ts";

export interface RemoteUploadPeerOptions
  extends Pick<RemotePeerOptions, "url" | "transport" | "swarm" | "clock"> {
  /** The peer's bearer token, if it asks for one. Sent with pieces only. */
  readonly token: string | undefined;
}

/** A peer that accepts uploads, behind any Connect transport. */
export function remoteUploadPeer(options: RemoteUploadPeerOptions): UploadPeer {
  const { url, swarm, clock, token } = options;
  const { infoHash } = swarm;
  const client = createClient(PeerService, options.transport);
  const calls = new PeerCalls(url, clock);
  const authority = authorized(token);
  return {
    url,
    async getBitfield(signal) {
      try {
        return bitfieldOf(await calls.small(signal, (call) => client.getBitfield({ infoHash }, call)), swarm);
      } catch (error) {
        if (error instanceof PeerFailed && error.code === "not_found") return new Bitfield(swarm.totalPieces);
        throw error;
      }
    },
    async storePiece(index, bytes, signal) {
      const data = bytes as Uint8Array<ArrayBuffer>;
      const request = { infoHash, number: pieceNumber(index), data };
      await calls.upload(bytes.length, signal, (call) =>
        client.storePiece(request, { ...call, ...authority }),
      );
    },
    close: () => calls.close(),
  };
}

import { text } from "node:stream/consumers";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import { Bitfield } from "#core/base/bitfield.ts";
import type { SwarmKey } from "#core/ports/tracker.ts";
import { PieceGeometry } from "#core/torrent/piece.ts";
import { type GetBitfieldResponseSchema, PeerService } from "#gen/pieza/v1/peer_pb.ts";
import { PeerService as LegacyPeerService } from "#gen/tracker_pb.ts";
import type { HttpRequest, HttpResponse } from "../../../server/http/base/http-types.ts";
import { type ServiceOptions, served } from "../../../server/http/handling/served-service.ts";
import {
  type RunningServer,
  type ServerOptions,
  startServer,
} from "../../../server/http/listening/server.ts";
import { legacyPeerPolicies, peerPolicies } from "../../../server/peer/serving/served-peer.ts";

export const swarm: SwarmKey = { infoHash: "ab".repeat(32), totalPieces: 4 };
/** Three pieces of 64 KiB and one of 1,000 bytes. */
export const geometry = new PieceGeometry((3 << 16) + 1_000, 1 << 16);

/** The right bytes of a piece. */
export function pieceBytes(number: number): Uint8Array {
  return new Uint8Array(geometry.lengthOf(geometry.index(number - 1))).fill(number);
}

/** What a peer does when it is asked; what is left out, it does as an honest seeder. */
export interface Behaviour {
  getPiece?(number: number, context: HandlerContext): Promise<Uint8Array> | Uint8Array;
  getBitfield?(): MessageInitShape<typeof GetBitfieldResponseSchema>;
}

/** A real server with a PeerService, and that of the seed's contract, which behave as told. */
export function startTestPeer(
  behaviour: Behaviour = {},
  options: Partial<ServerOptions> = {},
  peer: ServiceOptions<typeof PeerService> = { policies: peerPolicies },
): Promise<RunningServer> {
  const dataOf = async (number: number, context: HandlerContext) => ({
    data: await (behaviour.getPiece?.(number, context) ?? pieceBytes(number)),
  });
  return startServer({
    port: 0,
    services: [
      served(
        LegacyPeerService,
        { downloadPiece: ({ pieceNumber }, context) => dataOf(pieceNumber, context) },
        { policies: legacyPeerPolicies },
      ),
      served(
        PeerService,
        {
          getPiece: ({ number }, context) => dataOf(number, context),
          getBitfield: () =>
            behaviour.getBitfield?.() ?? {
              totalPieces: swarm.totalPieces,
              bitfield: Bitfield.of(swarm.totalPieces, [0, 2]).toBytes(),
            },
        },
        peer,
      ),
    ],
    ...options,
  });
}

/**
 * A server that begins to answer every call as a peer would, in the caller's protocol, and then does as told. gRPC and
 * gRPC-Web say the message's length first.
 */
export function startRawPeer(
  answer: (response: HttpResponse, request: HttpRequest) => void,
  messageBytes = 1 << 30,
): Promise<RunningServer> {
  return startServer({
    port: 0,
    services: [],
    async http(request, response) {
      const type = request.headers["content-type"] ?? "application/proto";
      await text(request);
      response.setHeader("content-type", type);
      const head = Buffer.alloc(5);
      head.writeUInt32BE(messageBytes, 1);
      if (type !== "application/proto") write(response, head);
      answer(response, request);
      return true;
    },
  });
}

/** The two kinds of responses have signatures that TypeScript cannot call as one. */
export function write(response: HttpResponse, bytes: Uint8Array, written?: () => void): boolean {
  return (response as { write(chunk: Uint8Array, written?: () => void): boolean }).write(bytes, written);
}

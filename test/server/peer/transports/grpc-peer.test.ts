import { remotePeer } from "#core/rpc/rpc.ts";
import { openTransport } from "../../../../server/http/client/transports.ts";
import { grpcPeer } from "../../../../server/peer/transports/grpc-peer.ts";
import { remotePeerContract } from "../../../contract/remote-peer.ts";

remotePeerContract("our own gRPC sessions", ({ url, swarm, geometry, clock }) => {
  const { transport, close } = openTransport(url, "grpc", { readMaxBytes: geometry.pieceLength + 1024 });
  const pieceLength = (index: number) => geometry.lengthOf(geometry.index(index));
  const fallback = remotePeer({ url, transportName: "grpc", transport, swarm, pieceLength, clock, close });
  return grpcPeer({ url, infoHash: swarm.infoHash, pieceLength, clock, fallback });
});

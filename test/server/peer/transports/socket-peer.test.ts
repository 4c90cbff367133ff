import { remotePeer } from "#core/rpc/rpc.ts";
import { openTransport } from "../../../../server/http/client/transports.ts";
import { socketPeer } from "../../../../server/peer/transports/socket-peer.ts";
import { remotePeerContract } from "../../../contract/remote-peer.ts";

remotePeerContract("plain sockets", ({ url, swarm, geometry, clock }) => {
  const { transport, close } = openTransport(url, "connect", { readMaxBytes: geometry.pieceLength + 1024 });
  const pieceLength = (index: number) => geometry.lengthOf(geometry.index(index));
  const fallback = remotePeer({ url, transportName: "connect", transport, swarm, pieceLength, clock, close });
  return socketPeer({ url, infoHash: swarm.infoHash, pieceLength, clock, fallback });
});

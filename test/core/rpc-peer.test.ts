import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { remotePeer, remoteSeedPeer } from "#core/rpc.ts";
import { cappedFetch } from "#core/rpc-capped-fetch.ts";
import { openTransport } from "../../server/http/transports.ts";
import { remotePeerContract } from "../contract/remote-peer.ts";

for (const kind of ["grpc", "grpc-web", "connect"] as const) {
  remotePeerContract(`${kind} from Node`, ({ url, swarm, geometry, clock }) => {
    const { transport, close } = openTransport(url, kind, {
      readMaxBytes: geometry.pieceLength + (1 << 10),
    });
    const pieceLength = geometry.lengthOf.bind(geometry);
    return remotePeer({ url, transportName: kind, transport, swarm, pieceLength, clock, close });
  });
}

for (const kind of ["grpc", "grpc-web", "connect"] as const) {
  remotePeerContract(
    `of the seed's contract over ${kind}`,
    ({ url, geometry, clock }) => {
      const readMaxBytes = geometry.pieceLength + (1 << 10);
      const { transport, close } = openTransport(url, kind, { readMaxBytes });
      const pieceLength = geometry.lengthOf.bind(geometry);
      return remoteSeedPeer({ url, transport, fileName: "file.bin", pieceLength, clock, close });
    },
    { tellsBitfield: false },
  );
}

remotePeerContract("grpc-web over fetch, as in a page", ({ url, swarm, geometry, clock }) => {
  const transport = createGrpcWebTransport({
    baseUrl: url,
    // The envelopes of message and trailers are some 200 bytes of the 1 KiB.
    fetch: cappedFetch(globalThis.fetch, {
      limitBytes: geometry.pieceLength + (1 << 10),
      clock,
      stallMs: 3_600_000,
    }),
  });
  const pieceLength = geometry.lengthOf.bind(geometry);
  return remotePeer({ url, transportName: "grpc-web", transport, swarm, pieceLength, clock });
});

import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { AnswerBuffers } from "#core/rpc/answer-buffers.ts";
import { cappedFetch } from "#core/rpc/capped-fetch.ts";
import { remoteLegacyPeer, remotePeer } from "#core/rpc/rpc.ts";
import { openTransport } from "../../../server/http/client/transports.ts";
import { peerTransport } from "../../../web/src/worker/peer-transport.ts";
import { type PeerCase, remotePeerContract } from "../../contract/remote-peer.ts";

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
    `of the legacy contract over ${kind}`,
    ({ url, geometry, clock }) => {
      const readMaxBytes = geometry.pieceLength + (1 << 10);
      const { transport, close } = openTransport(url, kind, { readMaxBytes });
      const pieceLength = geometry.lengthOf.bind(geometry);
      return remoteLegacyPeer({ url, transport, fileName: "file.bin", pieceLength, clock, close });
    },
    { tellsBitfield: false },
  );
}

/** The envelopes of message and trailers are some 200 bytes of the 1 KiB. */
const overFetch = ({ url, geometry, clock }: PeerCase) => ({
  url,
  fetch: globalThis.fetch,
  limitBytes: geometry.pieceLength + (1 << 10),
  clock,
  stallMs: 3_600_000,
});

remotePeerContract(
  "grpc-web over fetch",
  (peer) => {
    const { url, swarm, geometry, clock } = peer;
    const options = overFetch(peer);
    const transport = createGrpcWebTransport({ baseUrl: url, fetch: cappedFetch(options.fetch, options) });
    const pieceLength = geometry.lengthOf.bind(geometry);
    return remotePeer({ url, transportName: "grpc-web", transport, swarm, pieceLength, clock });
  },
  { tellsBytes: false },
);

remotePeerContract("grpc-web over fetch, as in a page", (peer) => {
  const { url, swarm, geometry, clock } = peer;
  const buffers = new AnswerBuffers();
  const transport = peerTransport({ ...overFetch(peer), buffers });
  const pieceLength = geometry.lengthOf.bind(geometry);
  const release = ({ buffer }: Uint8Array) => buffers.give(buffer as ArrayBuffer);
  return remotePeer({ url, transportName: "grpc-web", transport, swarm, pieceLength, clock, release });
});

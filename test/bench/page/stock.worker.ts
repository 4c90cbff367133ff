import { createClient } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { PeerService } from "#gen/pieza/v1/peer_pb.ts";
import { answerJob } from "./fetched-file.ts";

/** The library's own client, as its documentation has it. */
answerJob((peers) => {
  const clients = new Map(
    peers.map((baseUrl) => [baseUrl, createClient(PeerService, createGrpcWebTransport({ baseUrl }))]),
  );
  return async (peer, infoHash, number) => {
    const { data } = await clients.get(peer)!.getPiece({ infoHash, number });
    return data as Uint8Array<ArrayBuffer>;
  };
});

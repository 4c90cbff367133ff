import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { IdentifyRequestSchema, IdentifyResponseSchema } from "#gen/pieza/v1/peer_pb.ts";

/** Under which every peer of a bench proves that its address is its own. */
export const identifyKey = new Uint8Array(32).fill(7);

/** A port at which, on every address of this machine, a peer answers a tracker that calls it back. */
export async function startCalledBack(): Promise<{ readonly port: number; close(): void }> {
  const server = createServer(async (request, response) => {
    const { nonce } = fromBinary(IdentifyRequestSchema, Buffer.concat(await request.toArray()));
    const proofs = [createHmac("sha256", identifyKey).update(nonce).digest()];
    response.setHeader("content-type", "application/proto");
    response.end(toBinary(IdentifyResponseSchema, create(IdentifyResponseSchema, { proofs })));
  });
  server.listen(0, "0.0.0.0");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    port,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

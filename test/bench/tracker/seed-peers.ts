import { createClient } from "@connectrpc/connect";
import { TrackerService } from "#gen/tracker_pb.ts";
import { openTransport } from "../../../server/http/client/transports.ts";
import type { Server } from "./load.ts";

/** So many peers of the seed's contract that hold all pieces of a file. */
export async function registerSeedPeers({ url }: Server, pieces: number, peers: number): Promise<void> {
  const { transport, close } = openTransport(url, "grpc");
  const client = createClient(TrackerService, transport);
  const held = Array.from({ length: pieces }, (_, at) => ({ number: at + 1, hash: "a".repeat(64) }));
  for (let n = 1; n <= peers; n++) {
    await client.registerPeer({
      peerAddress: `127.0.0.1:${1_000 + n}`,
      fileInfo: [{ fileName: "file", total: pieces, pieces: held }],
    });
  }
  close();
}

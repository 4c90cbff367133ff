import type { MessageInitShape } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import { TrackerService, type WatchSwarmResponseSchema } from "#gen/pieza/v1/tracker_pb.ts";
import { served } from "../../../server/http/handling/served-service.ts";
import { type RunningServer, startServer } from "../../../server/http/listening/server.ts";
import { trackerPolicies } from "../../../server/tracker/service.ts";
import type { CertificatePaths } from "../wire/certificates.ts";

type Watched = Pick<MessageInitShape<typeof WatchSwarmResponseSchema>, "peers" | "replication" | "orders">;

/** What the tracker answers: these peers, each with every piece, or an error with this message. */
export interface Told {
  peers: string[];
  error?: string;
  /** What people who look are shown, once; the watch stays open. */
  watched?: Watched;
}

/** A real server that answers LocatePieces as told, whatever it is asked for. `told` may change while it runs. */
export function startToldTracker(
  told: Told,
  options: Partial<CertificatePaths> & { allowedHosts?: readonly string[] } = {},
): Promise<RunningServer> {
  return startServer({
    ...options,
    port: 0,
    services: [
      served(
        TrackerService,
        {
          locatePieces({ infoHash, totalPieces }) {
            if (told.error !== undefined) throw new ConnectError(told.error);
            const peers = told.peers.map((url) => ({ url, complete: true }));
            return { infoHash, totalPieces, peers, trackerId: "told", nextLocateMs: 500 };
          },
          async *watchSwarm({ infoHash, totalPieces }, { signal }) {
            yield { infoHash, totalPieces, ...told.watched };
            await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
          },
        },
        { policies: trackerPolicies },
      ),
    ],
  });
}

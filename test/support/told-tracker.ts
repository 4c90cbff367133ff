import { ConnectError } from "@connectrpc/connect";
import { TrackerService } from "#gen/pieza/v1/tracker_pb.ts";
import { type RunningServer, startServer } from "../../server/http/server.ts";
import type { CertificatePaths } from "./certificates.ts";

/** What the tracker answers: these peers, each with every piece, or an error with this message. */
export interface Told {
  peers: string[];
  error?: string;
}

/** A real server that answers LocatePieces as told, whatever it is asked for. `told` may change while it runs. */
export function startToldTracker(
  told: Told,
  certificate: Partial<CertificatePaths> = {},
): Promise<RunningServer> {
  return startServer({
    ...certificate,
    port: 0,
    services: [TrackerService],
    routes: (router) =>
      void router.service(TrackerService, {
        locatePieces({ infoHash, totalPieces }) {
          if (told.error !== undefined) throw new ConnectError(told.error);
          const peers = told.peers.map((url) => ({ url, complete: true }));
          return { infoHash, totalPieces, peers, trackerId: "told", nextLocateMs: 500 };
        },
      }),
  });
}

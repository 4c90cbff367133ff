import { join } from "node:path";
import type { Log } from "../../http/base/log.ts";
import type { PeerOptions } from "../peer.ts";
import { FollowedCopies } from "./followed-copies.ts";
import { ToldAnnouncing } from "./told-announcing.ts";

/**
 * What makes a peer the serving part of one: it serves what it is given, what publishers store, and the copies that the
 * replicating process keeps, and another process announces all that. No trackers, no `volunteer`.
 */
export function serveRole(
  dataDir: string,
  port: number,
  log?: Log,
): Required<Pick<PeerOptions, "announces" | "copies">> {
  const folder = join(dataDir, `peer-${port}`);
  const onError = (error: unknown) => {
    const message = `the other processes of this peer are not heard: ${String(error)}`;
    log?.({ level: "warn", event: "role_files", message });
  };
  return {
    announces: new ToldAnnouncing(folder, onError),
    copies: new FollowedCopies({ folder: join(folder, "copies"), onError }),
  };
}

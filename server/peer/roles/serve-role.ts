import { join } from "node:path";
import type { Log } from "../../http/base/log.ts";
import type { PeerOptions } from "../peer.ts";
import { FollowedCopies } from "./followed-copies.ts";
import { ownRoleFolder, warnOfRoleFiles } from "./role-files.ts";
import { ToldAnnouncing } from "./told-announcing.ts";

/**
 * Options that make a peer only serve: its own torrents, what publishers store, and the copies of the replicating
 * process. The announcing process announces all of them. The peer needs no trackers and no `volunteer`. Fails as
 * ownRoleFolder does.
 */
export function serveRole(
  dataDir: string,
  port: number,
  log?: Log,
): Required<Pick<PeerOptions, "announces" | "copies">> {
  const folder = join(dataDir, `peer-${port}`);
  ownRoleFolder(folder);
  const onError = warnOfRoleFiles(log);
  return {
    announces: new ToldAnnouncing(folder, onError),
    copies: new FollowedCopies(join(folder, "copies"), onError),
  };
}

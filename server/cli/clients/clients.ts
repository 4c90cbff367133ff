import type { Catalog } from "#core/ports/catalog.ts";
import type { Tracker } from "#core/ports/tracker.ts";
import { remoteCatalog, remoteTracker } from "#core/rpc/rpc.ts";
import { nodeHasher } from "../../base/node-hasher.ts";
import { openTransport } from "../../http/client/transports.ts";
import { tokenFor } from "../../http/guards/token.ts";
import { type ClientFlags, readCa } from "./client-flags.ts";
import { dataDir } from "./data-dir.ts";
import { askWhereItMoved } from "./moved.ts";
import { whyOutOfReach } from "./out-of-reach.ts";

/** Opens a connection to a catalog for `use`: see callCatalog. A catalog that has moved is asked where it is now. */
export function withCatalog<T>(
  url: string,
  flags: ClientFlags,
  signal: AbortSignal,
  use: (catalog: Catalog) => Promise<T>,
): Promise<T> {
  return askWhereItMoved(url, flags, signal, (at, its) => callCatalog(at, its, use));
}

/** Opens a connection to a catalog for `use`, with the token that is known for it, and closes it afterwards. */
export async function callCatalog<T>(
  url: string,
  flags: ClientFlags,
  use: (catalog: Catalog) => Promise<T>,
): Promise<T> {
  const token = flags.token ?? (await tokenFor(dataDir(flags), url));
  const { transport, close } = openTransport(url, "grpc", { ca: await readCa(flags) });
  try {
    return await use(remoteCatalog({ url, transport, hasher: nodeHasher, token }));
  } catch (error) {
    throw await whyOutOfReach(error, "catalog", url, flags);
  } finally {
    close();
  }
}

/** Opens a connection to a tracker for `use` and closes it afterwards. */
export async function withTracker<T>(
  url: string,
  flags: ClientFlags,
  use: (tracker: Tracker) => Promise<T>,
): Promise<T> {
  const { transport, close } = openTransport(url, "grpc", { ca: await readCa(flags) });
  try {
    return await use(remoteTracker({ url, transport }));
  } catch (error) {
    throw await whyOutOfReach(error, "tracker", url, flags);
  } finally {
    close();
  }
}

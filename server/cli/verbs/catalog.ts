import { isWildcard, outerAddress } from "../../http/base/outer-address.ts";
import type { Invocation } from "../line/invocation.ts";
import type { CommonOption, Flags, ServerOption } from "../line/options.ts";
import { startCatalogServer } from "../servers/catalog-server.ts";
import { edgeOptions, serveUntilSignalled } from "../servers/serve.ts";

type Options = "catalogPort" | "namedTrackers" | "uploadPeer" | "page" | "open" | ServerOption;

/** Where `pieza tracker` listens when nobody said otherwise. */
const TRACKER_PORT = 50_050;

export async function run({ flags, out, signal }: Invocation<Options | CommonOption>): Promise<void> {
  const edge = edgeOptions(flags, flags.catalogPort, out);
  const trackers = flags.namedTrackers.length > 0 ? flags.namedTrackers : neighbour(flags);
  if (trackers.length === 0) out.warn("no --tracker: clients will not learn of one here");
  const named = { trackers, uploadPeers: flags.uploadPeer };
  const { catalog } = await startCatalogServer(edge, named, flags, out, "catalogPort");
  out.event(
    "listening",
    { verb: "catalog", url: catalog.url, pid: process.pid },
    `Catalog at ${catalog.url}`,
  );
  await serveUntilSignalled(signal, catalog);
}

/** The tracker that runs beside this catalog with the same --host; behind a public URL there is no telling. */
function neighbour({ host = "127.0.0.1", publicUrl }: Flags<ServerOption>): string[] {
  const address = isWildcard(host) ? outerAddress(host) : host;
  if (publicUrl !== undefined || address === undefined) return [];
  return [`http://${address.includes(":") ? `[${address}]` : address}:${TRACKER_PORT}`];
}

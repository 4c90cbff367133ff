import { isWildcard, outerAddress } from "../../http/base/outer-address.ts";
import type { Flags, ServerOption } from "../line/options.ts";
import type { VerbInvocation } from "../line/verb-options.ts";
import { startCatalogServer } from "../servers/catalog-server.ts";
import { edgeOptions, sayListening, serveUntilSignalled } from "../servers/serve.ts";

/** The default port of `pieza tracker`. */
const TRACKER_PORT = 50_050;

export async function runCatalog({ flags, out, signal }: VerbInvocation<"catalog">): Promise<void> {
  const edge = edgeOptions(flags, flags.catalogPort, out);
  const trackers = flags.namedTrackers.length > 0 ? flags.namedTrackers : localTracker(flags);
  if (trackers.length === 0) out.warn("this catalog names no tracker to its clients; give --tracker");
  const named = { trackers, uploadPeers: flags.uploadPeer, gateways: flags.namedGateways };
  const { catalog } = await startCatalogServer(edge, named, flags, out, "catalogPort");
  sayListening("catalog", catalog.url, out);
  await serveUntilSignalled(signal, catalog);
}

/** The tracker that would run on this --host and the default port; none with a public URL, which may name a proxy. */
function localTracker({ host = "127.0.0.1", publicUrl }: Flags<ServerOption>): string[] {
  const address = isWildcard(host) ? outerAddress(host) : host;
  if (publicUrl !== undefined || address === undefined) return [];
  return [`http://${address.includes(":") ? `[${address}]` : address}:${TRACKER_PORT}`];
}

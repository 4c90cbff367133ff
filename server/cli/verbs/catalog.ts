import { startCatalogServer } from "../catalog-server.ts";
import type { Invocation } from "../invocation.ts";
import type { CommonOption, ServerOption } from "../options.ts";
import { edgeOptions, serveUntilSignalled } from "../serve.ts";

type Options = "catalogPort" | "namedTrackers" | "page" | "open" | ServerOption;

/** Where `pieza tracker` is when nobody said otherwise. */
const LOCAL_TRACKER = "http://127.0.0.1:50050";

export async function run({ flags, out, signal }: Invocation<Options | CommonOption>): Promise<void> {
  const edge = edgeOptions(flags, flags.catalogPort, out);
  const onLoopback = flags.host === undefined && flags.publicUrl === undefined;
  const trackers = flags.namedTrackers.length > 0 || !onLoopback ? flags.namedTrackers : [LOCAL_TRACKER];
  if (trackers.length === 0) out.warn("no --tracker: clients will not learn of one here");
  const { catalog } = await startCatalogServer(edge, trackers, flags, out, "catalogPort");
  out.event(
    "listening",
    { verb: "catalog", url: catalog.url, pid: process.pid },
    `Catalog at ${catalog.url}`,
  );
  await serveUntilSignalled(signal, catalog);
}

import { withCatalog } from "../clients/clients.ts";
import type { VerbInvocation } from "../line/verb-options.ts";

export async function runRm({ args, flags, out, signal }: VerbInvocation<"rm">): Promise<void> {
  const name = args[0]!.replace(/\.json$/i, "");
  await withCatalog(flags.catalog, flags, signal, (catalog) => catalog.delete(name, signal));
  out.event("removed", { name, catalog: flags.catalog }, `Removed ${name} from ${flags.catalog}`);
}

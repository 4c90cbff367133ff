import { withCatalog } from "../clients/clients.ts";
import type { Invocation } from "../line/invocation.ts";
import type { CommonOption } from "../line/options.ts";

export async function run({ args, flags, out, signal }: Invocation<"catalog" | CommonOption>): Promise<void> {
  const name = args[0]!.replace(/\.json$/i, "");
  await withCatalog(flags.catalog, flags, (catalog) => catalog.delete(name, signal));
  out.event("removed", { name, catalog: flags.catalog }, `Removed ${name} from ${flags.catalog}`);
}

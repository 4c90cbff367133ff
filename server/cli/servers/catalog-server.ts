import { join } from "node:path";
import { type CatalogOptions, type RunningCatalog, startCatalog } from "../../catalog/catalog.ts";
import { isWildcard } from "../../http/base/outer-address.ts";
import { rememberToken } from "../../http/guards/token.ts";
import type { EdgeOptions } from "../../http/handling/options.ts";
import { dataDir, serverDir } from "../clients/data-dir.ts";
import type { CommonOption, Flags, OptionName } from "../line/options.ts";
import type { Output } from "../line/output.ts";
import { pageDirectory } from "./page.ts";
import { orClose, serverToken, startOn } from "./serve.ts";

/** The folder of the torrents of a catalog on this port. */
export function torrentsDir(flags: Pick<Flags<CommonOption>, "data">, port: number): string {
  return join(serverDir(flags, "catalog", port), "torrents");
}

/**
 * Starts a catalog and stores its token (undefined with --open) where this user's other programs look for it.
 * `portOption` is the flag of the port, for errors; `urls` are the catalog's URLs for programs on this machine.
 */
export async function startCatalogServer(
  edge: EdgeOptions,
  named: Pick<CatalogOptions, "trackers" | "uploadPeers" | "gateways">,
  flags: Flags<CommonOption | "open" | "page">,
  out: Output,
  portOption: OptionName,
): Promise<{ catalog: RunningCatalog; urls: readonly string[]; token: string | undefined }> {
  const token = await serverToken("catalog", edge.port, "publishing", flags, out);
  const catalog = await startOn(portOption, () =>
    startCatalog({
      ...edge,
      directory: torrentsDir(flags, edge.port),
      pageDirectory: pageDirectory(flags.page),
      ...named,
      token,
      open: flags.open,
    }),
  );
  const urls = namesOf(catalog, edge);
  if (token !== undefined) {
    await orClose(catalog, async () => {
      for (const url of urls) await rememberToken(dataDir(flags), url, token);
    });
  } else {
    out.warn("this catalog is open: anyone who reaches it can publish and delete torrents");
  }
  return { catalog, urls, token };
}

/** The catalog's URLs on this machine. A catalog that listens on every interface also answers on loopback. */
function namesOf({ url, port }: RunningCatalog, { host = "" }: EdgeOptions): string[] {
  const local = url.replace(/\/\/(127\.0\.0\.1|\[::1\])(?=:|$)/, "//localhost");
  const loopback = ["127.0.0.1", "localhost", ...(host === "::" ? ["[::1]"] : [])].map(
    (name) => `${new URL(url).protocol}//${name}:${port}`,
  );
  return [...new Set([url, local, ...(isWildcard(host) ? loopback : [])])];
}

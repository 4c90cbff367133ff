import { join } from "node:path";
import { type CatalogOptions, type RunningCatalog, startCatalog } from "../../catalog/catalog.ts";
import { isWildcard } from "../../http/base/outer-address.ts";
import { loadOrMakeToken, rememberToken } from "../../http/guards/token.ts";
import type { EdgeOptions } from "../../http/handling/options.ts";
import { dataDir, serverDir } from "../clients/data-dir.ts";
import type { CommonOption, Flags, OptionName } from "../line/options.ts";
import type { Output } from "../line/output.ts";
import { pageDirectory } from "./page.ts";
import { startOn } from "./serve.ts";

/** Where a catalog on this port keeps its torrents. */
export function torrentsDir(flags: Pick<Flags<CommonOption>, "data">, port: number): string {
  return join(serverDir(flags, "catalog", port), "torrents");
}

/**
 * Starts a catalog with its token (undefined with --open), and keeps the token for this user's other programs.
 * `portOption` is the flag that chose the port; `urls` is what this machine's programs and pages call it.
 */
export async function startCatalogServer(
  edge: EdgeOptions,
  named: Pick<CatalogOptions, "trackers" | "uploadPeers">,
  flags: Flags<CommonOption | "open" | "page">,
  out: Output,
  portOption: OptionName,
): Promise<{ catalog: RunningCatalog; urls: readonly string[]; token: string | undefined }> {
  const token = flags.open ? undefined : (flags.token ?? (await ownToken(flags, edge.port, out)));
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
    for (const url of urls) await rememberToken(dataDir(flags), url, token);
  } else {
    out.warn("this catalog is open: whoever reaches it may publish and delete");
  }
  return { catalog, urls, token };
}

async function ownToken(flags: Flags<CommonOption>, port: number, out: Output): Promise<string> {
  const { token, path, made } = await loadOrMakeToken(serverDir(flags, "catalog", port));
  if (made) out.note(`The token for publishing is in ${path}`);
  return token;
}

/** What this machine's programs call the catalog: one on every interface answers on loopback too. */
function namesOf({ url, port }: RunningCatalog, { host = "" }: EdgeOptions): string[] {
  const local = url.replace(/\/\/(127\.0\.0\.1|\[::1\])(?=:|$)/, "//localhost");
  const loopback = ["127.0.0.1", "localhost"].map((name) => `${new URL(url).protocol}//${name}:${port}`);
  return [...new Set([url, local, ...(isWildcard(host) ? loopback : [])])];
}

import { basename } from "node:path";
import type { Torrent } from "#core/torrent/torrent.ts";
import { withCatalog } from "../clients/clients.ts";
import { readTorrentFile } from "../clients/torrent-source.ts";
import type { Invocation } from "../line/invocation.ts";
import type { CommonOption, Flags } from "../line/options.ts";
import type { Output } from "../line/output.ts";

type Options = "name" | "replace" | "catalog";

export async function run({ args, flags, out, signal }: Invocation<Options | CommonOption>): Promise<void> {
  const file = args[0]!;
  const torrent = await readTorrentFile(file);
  // The name is the stem of the JSON file, as in the catalog's own folder: shakira for shakira.json.
  const name = flags.name ?? basename(file).replace(/\.json$/i, "");
  await publish(torrent, name, flags, out, signal);
}

/** Publishes and says so. */
export async function publish(
  torrent: Torrent,
  name: string,
  flags: Flags<CommonOption | "replace" | "catalog">,
  out: Output,
  signal: AbortSignal,
): Promise<void> {
  const options = { name, replace: flags.replace };
  const published = await withCatalog(flags.catalog, flags, (catalog) =>
    catalog.publish(torrent, options, signal),
  );
  out.event(
    "published",
    { ...published, info_hash: torrent.infoHash, catalog: flags.catalog },
    `${published.changed ? "Published as" : "Already there as"} ${published.name} at ${flags.catalog}`,
  );
}

import { basename } from "node:path";
import type { Torrent } from "#core/torrent/torrent.ts";
import { withCatalog } from "../clients/clients.ts";
import { warnOfBadTrackers } from "../clients/find-trackers.ts";
import { readTorrentFile } from "../clients/torrent-source.ts";
import type { CommonOption, Flags } from "../line/options.ts";
import type { Output } from "../line/output.ts";
import type { VerbInvocation } from "../line/verb-options.ts";

export async function runPublish({ args, flags, out, signal }: VerbInvocation<"publish">): Promise<void> {
  const file = args[0]!;
  const torrent = await readTorrentFile(file);
  warnOfBadTrackers(torrent, out);
  // shakira.json is published as shakira, the name that the file would have in the catalog's folder.
  const name = flags.name ?? basename(file).replace(/\.json$/i, "");
  await publish(torrent, name, flags, out, signal);
}

/** Publishes the torrent under `name` in the catalog of --catalog and reports it. */
export async function publish(
  torrent: Torrent,
  name: string,
  flags: Flags<CommonOption | "replace" | "catalog">,
  out: Output,
  signal: AbortSignal,
): Promise<void> {
  const options = { name, replace: flags.replace };
  const published = await withCatalog(flags.catalog, flags, signal, (catalog) =>
    catalog.publish(torrent, options, signal),
  );
  out.event(
    "published",
    { ...published, info_hash: torrent.infoHash, catalog: flags.catalog },
    `${published.changed ? "Published as" : "Already published as"} ${published.name} at ${flags.catalog}`,
  );
}

import { type ClientFlags, trackersOfCatalog } from "./clients.ts";
import type { FoundTorrent } from "./torrent-source.ts";

/**
 * The trackers to ask: the torrent's and those given with --tracker, each once; if there are none, those that the
 * catalog names.
 */
export async function trackersFor(
  { torrent, catalogUrl }: FoundTorrent,
  flags: ClientFlags & { readonly tracker: readonly string[] },
  signal: AbortSignal,
): Promise<string[]> {
  const known = [...new Set([...torrent.trackers, ...flags.tracker].map((url) => url.replace(/\/+$/, "")))];
  return known.length > 0 ? known : trackersOfCatalog(catalogUrl, flags, signal);
}

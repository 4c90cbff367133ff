import { PiezaError } from "#core/base/errors.ts";
import type { ClientFlags } from "./client-flags.ts";
import type { FoundTorrent } from "./torrent-source.ts";

const MAX_ENDPOINTS_BYTES = 1 << 20;

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

/** The trackers that a catalog names to its clients in GET /. */
export async function trackersOfCatalog(
  url: string,
  flags: ClientFlags,
  signal: AbortSignal,
): Promise<string[]> {
  const { getText } = await import("./http-get.ts");
  const text = await getText(`${url}/`, { ca: flags.ca, maxBytes: MAX_ENDPOINTS_BYTES, signal });
  try {
    const { trackers } = JSON.parse(text) as { trackers?: unknown };
    return Array.isArray(trackers) ? trackers.filter((tracker) => typeof tracker === "string") : [];
  } catch (cause) {
    throw new PiezaError("unavailable", `${url} does not answer like a catalog`, { cause });
  }
}

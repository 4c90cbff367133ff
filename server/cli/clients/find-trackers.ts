import { messageOf, PiezaError } from "#core/base/errors.ts";
import type { Output } from "../line/output.ts";
import type { ClientFlags } from "./client-flags.ts";
import { isPage, PAGE_ADVICE } from "./out-of-reach.ts";
import type { FoundTorrent } from "./torrent-source.ts";

/** The longest answer of GET / that is read. */
const MAX_OVERVIEW_BYTES = 1 << 20;

/** The trackers of the torrent and of --tracker, each once; if there are none, those that the catalog names. */
export async function trackersFor(
  { torrent, catalogUrl }: FoundTorrent,
  flags: ClientFlags & { readonly tracker: readonly string[] },
  signal: AbortSignal,
): Promise<string[]> {
  const known = eachOnce([...torrent.trackers, ...flags.tracker]);
  return known.length > 0 ? known : trackersOfCatalog(catalogUrl, flags, signal);
}

/** The URLs without their final slashes, each once: two spellings of one tracker would be two announces to it. */
export function eachOnce(urls: readonly string[]): string[] {
  return [...new Set(urls.map((url) => url.replace(/\/+$/, "")))];
}

/** The trackers that a catalog names in GET /. Fails with PiezaError. */
export async function trackersOfCatalog(
  url: string,
  flags: ClientFlags,
  signal: AbortSignal,
): Promise<string[]> {
  const { getText } = await import("./http-get.ts");
  const text = await getText(`${url}/`, { ca: flags.ca, maxBytes: MAX_OVERVIEW_BYTES, signal });
  try {
    const { trackers } = JSON.parse(text) as { trackers?: unknown };
    return Array.isArray(trackers) ? eachOnce(trackers.filter((tracker) => typeof tracker === "string")) : [];
  } catch (cause) {
    const page = isPage(text) ? `, but with a web page; ${PAGE_ADVICE}` : "";
    throw new PiezaError("unavailable", `${url} does not answer like a catalog${page}`, { cause });
  }
}

/**
 * The answer of the first tracker that answers; the others are replicas of it or replace it. Fails with the last
 * error if none answers.
 */
export async function askTrackers<T>(
  trackers: readonly string[],
  ask: (tracker: string) => Promise<T>,
  out: Output,
  signal: AbortSignal,
): Promise<T> {
  let last: unknown = new PiezaError("unavailable", "no tracker is known for this torrent; give --tracker");
  for (const tracker of trackers) {
    try {
      return await ask(tracker);
    } catch (error) {
      signal.throwIfAborted();
      out.detail(messageOf(error));
      last = error;
    }
  }
  throw last;
}

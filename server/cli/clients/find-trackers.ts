import { messageOf, PiezaError } from "#core/base/errors.ts";
import { isServerUrl } from "#core/base/server-url.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { Reach } from "../../http/client/reach.ts";
import type { Output } from "../line/output.ts";
import { plural } from "../line/units.ts";
import type { ClientFlags } from "./client-flags.ts";
import { isPage, PAGE_ADVICE } from "./out-of-reach.ts";
import type { FoundTorrent } from "./torrent-source.ts";

/** The longest answer of GET / that is read. */
const MAX_OVERVIEW_BYTES = 1 << 20;

/** The trackers of the torrent and of --tracker, each once; if there are none, those that the catalog names. */
export async function trackersFor(
  { torrent, catalogUrl, from }: FoundTorrent,
  flags: ClientFlags & { readonly tracker: readonly string[] },
  out: Output,
  signal: AbortSignal,
): Promise<string[]> {
  warnOfBadTrackers(torrent, out);
  const named = from === undefined ? torrent.trackers : await withinReach(torrent.trackers, from, out);
  const known = eachOnce([...named, ...flags.tracker]);
  return known.length > 0 ? known : trackersOfCatalog(catalogUrl, flags, out, signal);
}

/** Warns if a torrent names trackers whose URLs are no addresses. */
export function warnOfBadTrackers({ fileName, badTrackers = 0 }: Torrent, out: Output): void {
  leftOut(badTrackers, fileName, out);
}

/** The trackers that a server may name: see Reach. Warns of the others. */
async function withinReach(trackers: readonly string[], server: string, out: Output): Promise<string[]> {
  const reach = new Reach({ advice: () => "--tracker uses it all the same" });
  await reach.named(server, trackers);
  const near: string[] = [];
  for (const url of trackers) {
    const refusal = await reach.refusalTo(url);
    if (refusal === undefined) near.push(url);
    else out.warn(`the tracker ${url} of ${server} is left out: ${refusal}`);
  }
  return near;
}

function leftOut(count: number, of: string, out: Output): void {
  const have = count === 1 ? "has no valid URL and is" : "have no valid URL and are";
  if (count > 0) out.warn(`${plural(count, "tracker")} of ${of} ${have} left out`);
}

/** The URLs without their final slashes, each once: two spellings of one tracker would be two announces to it. */
export function eachOnce(urls: readonly string[]): string[] {
  return [...new Set(urls.map((url) => url.replace(/\/+$/, "")))];
}

/** The trackers that a catalog names in GET /. Fails with PiezaError. */
export async function trackersOfCatalog(
  url: string,
  flags: ClientFlags,
  out: Output,
  signal: AbortSignal,
): Promise<string[]> {
  const { getTextFrom } = await import("./http-get.ts");
  const options = { ca: flags.ca, maxBytes: MAX_OVERVIEW_BYTES, signal };
  const { text, url: last } = await getTextFrom(`${url}/`, options);
  try {
    const { trackers } = JSON.parse(text) as { trackers?: unknown };
    const named: readonly unknown[] = Array.isArray(trackers) ? trackers : [];
    const usable = named.filter(isServerUrl);
    leftOut(named.length - usable.length, url, out);
    return await withinReach(eachOnce(usable), new URL(last).origin, out);
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

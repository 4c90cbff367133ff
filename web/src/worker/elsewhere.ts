import { messageOf } from "#core/base/errors.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { MAX_TORRENT_JSON_BYTES, parseTorrentText } from "#core/torrent/torrent-json.ts";
import { isWebUrl, type PageLink, pageLinkOf } from "../base/page-link.ts";
import { PageFailure } from "../base/trouble.ts";
import type { HostPorts } from "./host-ports.ts";
import { fetchUpTo } from "./transport.ts";

type ElsewherePorts = Pick<HostPorts, "hasher" | "catalogAt" | "trackersAt">;

/**
 * Reads a torrent from the text of its JSON file, from the URL of that, or from a link to it on the page of a catalog.
 * Fails with PiezaError.
 */
export async function torrentFromFileOrUrl(
  from: { text: string } | { url: string },
  ports: ElsewherePorts,
): Promise<Torrent> {
  if ("text" in from) return parsed(from.text, ports);
  const link = pageLinkOf(from.url);
  if (link) return withTrackers(await torrentOfLink(link, ports), link.origin, ports);
  const address = httpUrl(from.url);
  return withTrackers(await parsed(await fetchText(address), ports), address.origin, ports);
}

async function torrentOfLink({ origin, key }: PageLink, ports: ElsewherePorts): Promise<Torrent> {
  try {
    return (await ports.catalogAt(origin).get(key)).torrent;
  } catch (cause) {
    throw noTorrentAt(new URL(origin), cause);
  }
}

/** A torrent that names no tracker leaves that to its catalog. It is not in the catalog of this page. */
async function withTrackers(torrent: Torrent, origin: string, ports: ElsewherePorts): Promise<Torrent> {
  if (torrent.trackers.length > 0) return torrent;
  return { ...torrent, trackers: await ports.trackersAt(origin) };
}

async function parsed(text: string, { hasher }: ElsewherePorts): Promise<Torrent> {
  try {
    return await parseTorrentText(text, hasher);
  } catch (cause) {
    throw new PageFailure("bad_torrent", "invalid_argument", messageOf(cause), { cause });
  }
}

async function fetchText(address: URL): Promise<string> {
  try {
    const answer = await fetchUpTo(MAX_TORRENT_JSON_BYTES)(address, {
      headers: { accept: "application/json" },
    });
    if (!answer.ok) throw new Error(`it answers with status ${answer.status}`);
    return await answer.text();
  } catch (cause) {
    throw noTorrentAt(address, cause);
  }
}

function noTorrentAt({ host }: URL, cause: unknown): PageFailure {
  const message = `${host} does not give a torrent: ${messageOf(cause)}`;
  return new PageFailure("no_torrent_there", "unavailable", message, { cause });
}

/** Parses an HTTP or HTTPS URL. Throws invalid_argument for any other text. */
export function httpUrl(text: string): URL {
  if (!isWebUrl(text))
    throw new PageFailure("bad_url", "invalid_argument", "expected a URL such as https://host");
  return new URL(text);
}

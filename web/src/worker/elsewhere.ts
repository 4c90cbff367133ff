import { InvalidField, messageOf, PiezaError } from "#core/errors.ts";
import type { Hasher } from "#core/hash.ts";
import type { Torrent } from "#core/torrent.ts";
import { parseTorrentText } from "#core/torrent-json.ts";
import { fetchUpTo } from "./transport.ts";

/** Longest torrent's JSON. */
const MAX_TORRENT_BYTES = 16 << 20;

/** A torrent from elsewhere than the catalog: the text of its JSON file, or where that is. Fails with PiezaError. */
export async function torrentFromElsewhere(
  from: { text: string } | { url: string },
  hasher: Hasher,
): Promise<Torrent> {
  return parseTorrentText("text" in from ? from.text : await fetchText(from.url), hasher);
}

async function fetchText(url: string): Promise<string> {
  const address = httpUrl(url, "url");
  try {
    const answer = await fetchUpTo(MAX_TORRENT_BYTES)(address, { headers: { accept: "application/json" } });
    if (!answer.ok) throw new Error(`it answers with status ${answer.status}`);
    return await answer.text();
  } catch (cause) {
    const message = `${address.host} does not give a torrent: ${messageOf(cause)}`;
    throw new PiezaError("unavailable", message, { cause });
  }
}

/** Throws InvalidField unless it is the URL of an http server. */
export function httpUrl(text: string, field: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol))
    throw new InvalidField(field, "expected a URL such as https://host");
  return url;
}

import { messageOf } from "#core/base/errors.ts";
import type { Hasher } from "#core/base/hash.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { MAX_TORRENT_JSON_BYTES, parseTorrentText } from "#core/torrent/torrent-json.ts";
import { PageFailure } from "../base/trouble.ts";
import { fetchUpTo } from "./transport.ts";

/** Reads a torrent from the text of its JSON file or from a URL. Fails with PiezaError. */
export async function torrentFromFileOrUrl(
  from: { text: string } | { url: string },
  hasher: Hasher,
): Promise<Torrent> {
  const text = "text" in from ? from.text : await fetchText(from.url);
  try {
    return await parseTorrentText(text, hasher);
  } catch (cause) {
    throw new PageFailure("bad_torrent", "invalid_argument", messageOf(cause), { cause });
  }
}

async function fetchText(url: string): Promise<string> {
  const address = httpUrl(url);
  try {
    const answer = await fetchUpTo(MAX_TORRENT_JSON_BYTES)(address, {
      headers: { accept: "application/json" },
    });
    if (!answer.ok) throw new Error(`it answers with status ${answer.status}`);
    return await answer.text();
  } catch (cause) {
    const message = `${address.host} does not give a torrent: ${messageOf(cause)}`;
    throw new PageFailure("no_torrent_there", "unavailable", message, { cause });
  }
}

/** Parses an HTTP or HTTPS URL. Throws invalid_argument for any other text. */
export function httpUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol))
    throw new PageFailure("bad_url", "invalid_argument", "expected a URL such as https://host");
  return url;
}

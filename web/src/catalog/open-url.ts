import { linkTo, pageLinkOf } from "../base/page-link.ts";
import type { Downloads } from "../downloads/downloads.svelte.ts";

/**
 * Shows the torrent at a URL: a link to a torrent on the page of this or another catalog, or the URL of a torrent's
 * JSON. Rejects with CallFailed.
 */
export async function openUrl(downloads: Downloads, url: string): Promise<void> {
  const link = pageLinkOf(url);
  const here = link?.origin === location.origin;
  const key = here ? link.key : { infoHash: (await downloads.open({ url })).infoHash };
  location.hash = linkTo("name" in key ? key.name : key.infoHash);
}

/** What the catalog is to be searched for: of a link to a torrent of this catalog, the name or info hash in it. */
export function searchedFor(text: string): string {
  const link = pageLinkOf(text.trim());
  if (link?.origin !== location.origin) return text.trim();
  return "name" in link.key ? link.key.name : link.key.infoHash;
}

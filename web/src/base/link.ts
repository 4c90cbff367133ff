import { linkTo } from "./route.svelte.ts";

/** The URL of a torrent in this catalog, to share with others. */
export function shareUrl(infoHash: string): string {
  return `${location.origin}${location.pathname}${linkTo(infoHash)}`;
}

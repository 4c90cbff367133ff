import { linkTo } from "./route.svelte.ts";

/** The address of a torrent in this catalog, for others. */
export function shareUrl(infoHash: string): string {
  return `${location.origin}${location.pathname}${linkTo(infoHash)}`;
}

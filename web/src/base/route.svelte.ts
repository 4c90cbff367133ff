import { createSubscriber } from "svelte/reactivity";
import type { NameOrInfoHash } from "./messages.ts";
import { linkTo, torrentOf } from "./page-link.ts";

/** The URL of a torrent in this catalog, to share with others. */
export function shareUrl(infoHash: string): string {
  return `${location.origin}${location.pathname}${linkTo(infoHash)}`;
}

/** The URL of a peer as it is shown: without the scheme, unless that is https. */
export function shownUrl(url: string): string {
  return url.replace(/^http:\/\//, "");
}

/** The torrent that the address bar names now, as a reactive value. */
class Route {
  readonly #subscribe = createSubscriber((update) => {
    addEventListener("hashchange", update);
    return () => removeEventListener("hashchange", update);
  });

  get torrent(): NameOrInfoHash | undefined {
    this.#subscribe();
    return torrentOf(location.hash);
  }
}

export const route = new Route();

import { createSubscriber } from "svelte/reactivity";
import { isSha256Hex } from "#core/base/hash.ts";
import type { NameOrInfoHash } from "./messages.ts";

/** The torrent that a fragment such as `#/t/<name>` or `#/t/<info hash>` names; undefined for other fragments. */
export function torrentOf(hash: string): NameOrInfoHash | undefined {
  const match = /^#\/t\/(.+)$/.exec(hash);
  if (!match) return undefined;
  const text = decoded(match[1]!);
  return isSha256Hex(text) ? { infoHash: text.toLowerCase() } : { name: text };
}

/** The fragment that opens the torrent of this name or info hash. All characters are allowed in `key`. */
export function linkTo(key: string): string {
  return `#/t/${encodeURIComponent(key)}`;
}

/** The URL of a torrent in this catalog, to share with others. */
export function shareUrl(infoHash: string): string {
  return `${location.origin}${location.pathname}${linkTo(infoHash)}`;
}

/** The URL of a peer as it is shown: without the scheme, unless that is https. */
export function shownUrl(url: string): string {
  return url.replace(/^http:\/\//, "");
}

/** Percent-decodes `text`. Text that is not valid percent-encoding is returned as typed. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
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

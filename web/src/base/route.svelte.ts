import { createSubscriber } from "svelte/reactivity";
import { isSha256Hex } from "#core/base/hash.ts";
import type { NameOrInfoHash } from "./messages.ts";

/** The torrent that a fragment such as `#/t/<name>` or `#/t/<info hash>` opens, if it opens one. */
export function torrentOf(hash: string): NameOrInfoHash | undefined {
  const match = /^#\/t\/(.+)$/.exec(hash);
  if (!match) return undefined;
  const text = decoded(match[1]!);
  return isSha256Hex(text) ? { infoHash: text.toLowerCase() } : { name: text };
}

/** The link to a torrent of this name (or info hash), whatever characters it has. */
export function linkTo(key: string): string {
  return `#/t/${encodeURIComponent(key)}`;
}

/** A `%` that begins no escape is taken as typed. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Which torrent the address bar names now. */
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

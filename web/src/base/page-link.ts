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

/** A link to a torrent on the page of a catalog, as "Copy link" gives it. */
export interface PageLink {
  /** The origin of the catalog. */
  readonly origin: string;
  readonly key: NameOrInfoHash;
}

/** Reads a link to a torrent on the page of any catalog; undefined for other text. */
export function pageLinkOf(text: string): PageLink | undefined {
  if (!isWebUrl(text)) return undefined;
  const { origin, hash } = new URL(text);
  const key = torrentOf(hash);
  return key && { origin, key };
}

/** Whether `text` is an HTTP or HTTPS URL. */
export function isWebUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
}

/** Percent-decodes `text`. Text that is not valid percent-encoding is returned as typed. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

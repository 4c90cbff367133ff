import mime from "mime";
import { type ByteRange, parseRange } from "./byte-range.ts";
import type { ContentFile } from "./content-tree.ts";

/** The headers of a request that decide on its answer. */
export interface ContentConditions {
  readonly range?: string | undefined;
  readonly ifRange?: string | undefined;
  readonly ifMatch?: string | undefined;
  readonly ifNoneMatch?: string | undefined;
}

/** The head of an answer, and the bytes of the file that follow it unless the request was HEAD. */
export interface ContentAnswer {
  readonly status: 200 | 206 | 304 | 412 | 416;
  readonly headers: Readonly<Record<string, string>>;
  /** Undefined if no byte of the file follows. */
  readonly body: ByteRange | undefined;
}

/** The bytes under an info hash never change, so caches may keep them for a year. */
const CACHE_CONTROL = "public, max-age=31536000, immutable";

/**
 * Decides on the answer to a GET or HEAD of a file, by RFC 9110: conditions (13), one range (14), validators (8.8).
 * Several ranges mean the whole file. The ETag names content and not time: equal bytes have it on every server.
 */
export function answerContent(
  infoHash: string,
  file: ContentFile,
  conditions: ContentConditions,
): ContentAnswer {
  const etag = `"${infoHash}-${file.index}"`;
  const { ifMatch, ifNoneMatch, ifRange } = conditions;
  if (ifMatch !== undefined && !names(ifMatch, etag, "strongly"))
    return { status: 412, headers: { "cache-control": "no-store" }, body: undefined };
  const validators = { etag, "cache-control": CACHE_CONTROL };
  if (ifNoneMatch !== undefined && names(ifNoneMatch, etag, "weakly"))
    return { status: 304, headers: validators, body: undefined };
  const range =
    ifRange === undefined || ifRange.trim() === etag ? parseRange(conditions.range, file.length) : undefined;
  if (range === "unsatisfiable") {
    const headers = { "content-range": `bytes */${file.length}`, "cache-control": "no-store" };
    return { status: 416, headers, body: undefined };
  }
  const { start, end } = range ?? { start: 0, end: file.length };
  const headers = {
    ...validators,
    ...contentHeaders(file.name),
    "accept-ranges": "bytes",
    "content-length": String(end - start),
    ...(range && { "content-range": `bytes ${start}-${end - 1}/${file.length}` }),
  };
  return { status: range ? 206 : 200, headers, body: { start, end } };
}

/**
 * Headers by which a browser shows media, images and plain text, and saves every other file. Content is never code of
 * our origin: `sandbox` gives a page or an SVG image from a torrent an origin of its own, without scripts.
 */
function contentHeaders(name: string): Record<string, string> {
  const type = mime.getType(name) ?? "application/octet-stream";
  const isShown = /^(?:image|video|audio)\/|^text\/plain$/.test(type);
  return {
    "content-type": type.startsWith("text/") ? `${type}; charset=utf-8` : type,
    "content-disposition": disposition(isShown ? "inline" : "attachment", name),
    "content-security-policy": "sandbox",
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "cross-origin",
    "referrer-policy": "no-referrer",
  };
}

/** Content-Disposition by RFC 6266: a name in ASCII for old programs, and the whole name in UTF-8 if it differs. */
function disposition(kind: "inline" | "attachment", name: string): string {
  const ascii = name.replace(/[^\x20-\x7e]/gu, "_").replace(/["\\%]/g, "_");
  const plain = `${kind}; filename="${ascii}"`;
  return ascii === name ? plain : `${plain}; filename*=UTF-8''${encodeExtended(name)}`;
}

/** Percent-encodes all but the attr-char of RFC 8187. */
function encodeExtended(text: string): string {
  return encodeURIComponent(text).replace(
    /['()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** Whether a list of entity tags names this one. A weak tag names it only weakly (RFC 9110, 8.8.3.2). */
function names(list: string, etag: string, how: "strongly" | "weakly"): boolean {
  if (list.trim() === "*") return true;
  return list.split(",").some((tag) => {
    const one = tag.trim();
    return one === etag || (how === "weakly" && one === `W/${etag}`);
  });
}

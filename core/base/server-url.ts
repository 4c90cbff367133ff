/** The longest URL of a server, in characters. */
const MAX_CHARS = 1_024;

/** Scheme, authority and perhaps a path. No user, query or fragment, no white space, control or invisible character. */
const SERVER = /^https?:\/\/[^\s/?#@\\\p{C}]+(\/[^\s?#\\\p{C}]*)?$/iu;

/**
 * Whether text from outside is the URL of a server that calls can be made to: http or https, a host, perhaps a port
 * from 1 to 65535 and a path. Such a text is safe to print, and every client can be made for it.
 */
export function isServerUrl(text: unknown): text is string {
  return parse(text) !== undefined;
}

/** Whether the text is such a URL without a path, as peers are named. A path would let a tracker choose the request. */
export function isPeerUrl(text: unknown): text is string {
  return parse(text)?.pathname === "/";
}

function parse(text: unknown): URL | undefined {
  if (typeof text !== "string" || text.length > MAX_CHARS || !SERVER.test(text)) return undefined;
  const url = URL.parse(text);
  return url && url.port !== "0" ? url : undefined;
}

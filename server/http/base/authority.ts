import type { IncomingHttpHeaders } from "node:http";
import { isIPv6 } from "node:net";

/**
 * The host and port that a request names: the `:authority` of HTTP/2, or the Host header of HTTP/1.1. Undefined if it
 * names none. An IPv6 address is in brackets, also if its caller has left them out, as Node's HTTP/2 client does.
 */
export function authorityOf(headers: IncomingHttpHeaders): string | undefined {
  const authority = headers[":authority"];
  const stated = typeof authority === "string" ? authority : headers.host;
  if (!stated) return undefined;
  const colon = stated.indexOf(":");
  return colon < 0 || colon === stated.lastIndexOf(":") ? stated : bracketed(stated);
}

/** `::1:8080` as `[::1]:8080`, and `::1` as `[::1]`. The last number counts as the port where it may be one. */
function bracketed(text: string): string {
  const [, host = "", port = ""] = /^(.*):(\d+)$/.exec(text) ?? [];
  if (isIPv6(host)) return `[${host}]:${port}`;
  return isIPv6(text) ? `[${text}]` : text;
}

/** Whether a text is a host with or without a port, as a URL has them (RFC 3986, 3.2). */
export function isAuthority(text: string): boolean {
  return /^[^\s/?#@\\]+$/.test(text) && URL.canParse(`http://${text}`);
}

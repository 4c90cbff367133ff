/** A URL's host name without the brackets that RFC 3986 puts around an IPv6 address. */
export function withoutBrackets(hostname: string): string {
  return hostname.replace(/^\[(.*)\]$/, "$1");
}

/** A host name or IP address as it stands in a URL: an IPv6 address in brackets. */
export function withBrackets(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

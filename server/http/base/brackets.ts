/** A host as it stands in a URL: an IPv6 address in brackets, any other host as it is. */
export function bracketed(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

/** A host of a URL without the brackets of an IPv6 address. */
export function unbracketed(host: string): string {
  return host.replace(/^\[(.*)\]$/, "$1");
}

import ipaddr from "ipaddr.js";
import { withoutBrackets } from "#core/base/host.ts";

/** The usual network of one owner: the /24 of an IPv4 address, the /48 of an IPv6 address, or the name itself. */
export function subnetOf(host: string): string {
  const ipv4 = /^(\d+\.\d+\.\d+)\.\d+$/.exec(host);
  if (ipv4) return ipv4[1]!;
  const bare = withoutBrackets(host);
  return ipaddr.IPv6.isValid(bare) ? ipaddr.IPv6.parse(bare).parts.slice(0, 3).join(":") : host;
}

/** The network of the host in a peer's URL, which consists of scheme, host and port. */
export function subnetOfUrl(url: string): string {
  return subnetOf(url.slice(url.indexOf("//") + 2).replace(/:\d+$/, ""));
}

import { callerAddress } from "./context.ts";
import type { RequestHead } from "./http-types.ts";
import { Networks, parseIp } from "./networks.ts";

/** The address that a request came from; empty for a socket that is gone already. */
export type CallerOf = (request: RequestHead) => string;

/**
 * What its socket says, but for requests from a proxy in one of these networks (CIDR): there X-Forwarded-For counts,
 * from its end, because its beginning is the caller's own word. Throws InvalidField for what is no network.
 */
export function createCallerOf(trustedProxies: readonly string[] = []): CallerOf {
  if (trustedProxies.length === 0) return callerAddress;
  const proxies = new Networks(trustedProxies, "trusted_proxy");
  const isProxy = (address: string) => {
    const ip = parseIp(address);
    return ip !== undefined && proxies.has(ip);
  };
  return (request) => {
    const hops = [request.headers["x-forwarded-for"] ?? []].flat().join(",").split(",");
    let caller = callerAddress(request);
    while (isProxy(caller) && hops.length > 0) {
      const hop = parseHop(hops.pop()!);
      if (hop === undefined) break;
      caller = hop;
    }
    return caller;
  };
}

/** An address, which some proxies write with its port. */
function parseHop(text: string): string | undefined {
  const host = text.trim().replace(/^(\[[^\]]*\]|[\d.]+):\d+$/, "$1");
  return /^[[\]\d.:a-f]+$/i.test(host) ? parseIp(host)?.toString() : undefined;
}

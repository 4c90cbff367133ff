import ipaddr from "ipaddr.js";
import { withoutBrackets } from "#core/base/host.ts";
import type { RequestHead } from "./http-types.ts";
import { Networks, parseIp } from "./networks.ts";

/** Returns the address that a request came from; "" if its socket is closed already. */
export type CallerOf = (request: RequestHead) => string;

/**
 * Returns a function that reads the caller's address from the socket. For a request from a proxy in `trustedProxies`
 * (CIDR) it reads X-Forwarded-For from the end: each trusted proxy appends one address, and the caller may have
 * written the rest. Throws InvalidField for an entry that is no network.
 */
export function createCallerOf(trustedProxies: readonly string[] = []): CallerOf {
  if (trustedProxies.length === 0) return socketAddress;
  const proxies = new Networks(trustedProxies, "trusted_proxy");
  const isProxy = (address: string) => {
    const ip = parseIp(address);
    return ip !== undefined && proxies.has(ip);
  };
  return (request) => {
    const hops = [request.headers["x-forwarded-for"] ?? []].flat().join(",").split(",");
    let caller = socketAddress(request);
    while (isProxy(caller) && hops.length > 0) {
      const hop = parseHop(hops.pop()!);
      if (hop === undefined) break;
      caller = hop;
    }
    return caller;
  };
}

/** Parses one entry of X-Forwarded-For. Some proxies write the port behind the address. */
function parseHop(text: string): string | undefined {
  const host = text.trim().replace(/^(\[[^\]]*\]|[\d.]+):\d+$/, "$1");
  return /^[[\]\d.:a-f]+$/i.test(host) ? parseIp(host)?.toString() : undefined;
}

/** The remote address of the request's socket, "" if it is closed. A mapped IPv4 address is in dotted form. */
export function socketAddress(request: RequestHead): string {
  const address = request.socket.remoteAddress ?? "";
  return address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;
}

/** The key by which an address is counted. A caller that has one IPv6 address has its whole /64. */
export function network(address: string): string {
  if (!address.includes(":") || !ipaddr.IPv6.isValid(address)) return address;
  return ipaddr.IPv6.parse(address).parts.slice(0, 4).join(":");
}

/** The usual network of one owner: the /24 of an IPv4 address, the /48 of an IPv6 address, or the name itself. */
export function subnetOf(host: string): string {
  const ipv4 = /^(\d+\.\d+\.\d+)\.\d+$/.exec(host);
  if (ipv4) return ipv4[1]!;
  const bare = withoutBrackets(host);
  return ipaddr.IPv6.isValid(bare) ? ipaddr.IPv6.parse(bare).parts.slice(0, 3).join(":") : host;
}

/** The bearer token in an Authorization header, at most 512 characters. Undefined without one. */
export function bearerToken(authorization: string | undefined): string | undefined {
  return /^Bearer +([^\s]{1,512})$/i.exec(authorization ?? "")?.[1];
}

/** The program that made a call. */
export interface Caller {
  /** See CallerOf. */
  readonly address: string;
  /** The bearer token of the call. Only server/http/guards/token.ts compares it. */
  readonly token: string | undefined;
}

/** Reads each fact when it is first needed: the address costs a system call on the first call of a connection. */
export class LazyCaller implements Caller {
  readonly #head: RequestHead;
  readonly #callerOf: CallerOf;
  #address: string | undefined;

  constructor(head: RequestHead, callerOf: CallerOf) {
    this.#head = head;
    this.#callerOf = callerOf;
  }

  get address(): string {
    this.#address ??= this.#callerOf(this.#head);
    return this.#address;
  }

  get token(): string | undefined {
    return bearerToken(this.#head.headers.authorization);
  }
}

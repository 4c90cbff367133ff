import ipaddr from "ipaddr.js";
import { InvalidField } from "#core/base/errors.ts";
import { withoutBrackets } from "#core/base/host.ts";

export type Ip = ipaddr.IPv4 | ipaddr.IPv6;

/**
 * The IP address that a host is, with or without brackets; undefined for a name other than localhost, which is
 * 127.0.0.1. A mapped IPv4 address becomes the IPv4 address that it maps.
 */
export function parseIp(host: string): Ip | undefined {
  const bare = withoutBrackets(host);
  if (/^localhost\.?$/i.test(bare)) return LOOPBACK;
  return ipaddr.isValid(bare) ? ipaddr.process(bare) : undefined;
}

/** Whether a host is "localhost" or a loopback address, with or without brackets. */
export function isLoopback(host: string): boolean {
  if (host === "localhost") return true;
  const literal = withoutBrackets(host);
  return ipaddr.isValid(literal) && ipaddr.process(literal).range() === "loopback";
}

/** A set of networks such as 10.0.0.0/8. ::1 is in it where 127.0.0.1 is, because both are this machine. */
export class Networks {
  readonly #networks: readonly [Ip, number][];

  /** Throws InvalidField for `field` if an entry is no CIDR network. */
  constructor(cidrs: readonly string[], field: string) {
    this.#networks = cidrs.map((cidr) => parseNetwork(cidr, field));
  }

  has(address: Ip): boolean {
    const ip = oneLoopback(address);
    return this.#networks.some(([net, bits]) => net.kind() === ip.kind() && ip.match([net, bits] as never));
  }
}

function parseNetwork(cidr: string, field: string): [Ip, number] {
  if (!ipaddr.isValidCIDR(cidr)) throw new InvalidField(field, `${cidr} is no network such as 10.0.0.0/8`);
  const [net, bits] = ipaddr.parseCIDR(cidr);
  const ip = oneLoopback(net);
  return [ip, ip === net ? bits : 32];
}

/** 127.0.0.1 for ::1, which is the same machine; any other address as it is. */
export function oneLoopback(ip: Ip): Ip {
  return ip.kind() === "ipv6" && ip.range() === "loopback" ? LOOPBACK : ip;
}

const LOOPBACK = ipaddr.IPv4.parse("127.0.0.1");

/** The network of an address: this machine, a private network, the internet, or none that a server can be in. */
export type NetworkClass = "loopback" | "private" | "public" | "none";

export function classOf(ip: Ip): NetworkClass {
  switch (ip.range()) {
    case "loopback":
      return "loopback";
    case "private":
    case "uniqueLocal":
    case "carrierGradeNat":
      return "private";
    case "unicast":
      return ip instanceof ipaddr.IPv6 && ip.match(IPV4_COMPATIBLE) ? "none" : "public";
    default:
      // Link-local (where cloud metadata is), multicast, reserved, and IPv6 forms that contain an IPv4 address.
      return "none";
  }
}

/** The deprecated form `::a.b.c.d` (RFC 4291), which some systems still treat as the IPv4 address. */
const IPV4_COMPATIBLE: [ipaddr.IPv6, number] = [ipaddr.IPv6.parse("::"), 96];

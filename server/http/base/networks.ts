import ipaddr from "ipaddr.js";
import { InvalidField } from "#core/base/errors.ts";

export type Ip = ipaddr.IPv4 | ipaddr.IPv6;

/** Loopback in all its spellings becomes 127.0.0.1, a mapped IPv4 address the address that it maps. */
export function parseIp(host: string): Ip | undefined {
  const bare = host.replace(/^\[(.*)\]$/, "$1");
  if (/^localhost\.?$/i.test(bare)) return LOOPBACK;
  if (!ipaddr.isValid(bare)) return undefined;
  const ip = ipaddr.process(bare);
  return ip.kind() === "ipv6" && ip.range() === "loopback" ? LOOPBACK : ip;
}

/** Networks that somebody named, such as 10.0.0.0/8. */
export class Networks {
  readonly #networks: readonly [Ip, number][];

  /** Throws InvalidField, with this name, for what is no network. */
  constructor(cidrs: readonly string[], field: string) {
    this.#networks = cidrs.map((cidr) => parseNetwork(cidr, field));
  }

  has(ip: Ip): boolean {
    return this.#networks.some(([net, bits]) => net.kind() === ip.kind() && ip.match([net, bits] as never));
  }
}

function parseNetwork(cidr: string, field: string): [Ip, number] {
  if (!ipaddr.isValidCIDR(cidr)) throw new InvalidField(field, `${cidr} is no network such as 10.0.0.0/8`);
  const [net, bits] = ipaddr.parseCIDR(cidr);
  return net.kind() === "ipv6" && net.range() === "loopback" ? [LOOPBACK, 32] : [net, bits];
}

const LOOPBACK = ipaddr.IPv4.parse("127.0.0.1");

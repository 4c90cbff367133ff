import { networkInterfaces } from "node:os";
import ipaddr from "ipaddr.js";
import { InvalidField, PiezaError } from "#core/base/errors.ts";
import { withBrackets } from "#core/base/host.ts";
import { isPeerUrl } from "#core/base/server-url.ts";
import {
  classOf,
  type Ip,
  type NetworkClass,
  Networks,
  oneLoopback,
  parseIp,
} from "../../http/base/networks.ts";
import type { ResolveHost } from "./dns.ts";

/** The address that a peer announces. */
export interface DeclaredAddress {
  /** 0: other peers cannot reach it. */
  readonly port: number;
  readonly publicUrl?: string | undefined;
  readonly tls: boolean;
}

/** A peer's address as the tracker names it to others. */
export interface PeerAddress {
  /** Scheme, host and port; empty if the peer announced no address. */
  readonly url: string;
  /** Host and port, spelled one way for each address; empty if the address may not be named to others. */
  readonly address: string;
  /** Why the address may not be named to others, in words; empty if it may. */
  readonly refusal: string;
}

export interface AddressPolicyOptions {
  /** The class of the tracker's own address. Peers of the same class are allowed. */
  readonly own: NetworkClass;
  /** Networks that are allowed besides, in CIDR notation. */
  readonly allowNetworks?: readonly string[] | undefined;
  /** Resolves the host name of a public URL. */
  readonly resolveHost: ResolveHost;
}

/**
 * Decides under which URL a peer is known. Downloaders open connections to every URL that the tracker names, so a
 * peer may only name itself: without a public URL its host is the address that its announce came from.
 */
export class AddressPolicy {
  readonly #own: NetworkClass;
  readonly #networks: Networks;
  readonly #resolveHost: ResolveHost;

  constructor({ own, allowNetworks = [], resolveHost }: AddressPolicyOptions) {
    this.#own = own;
    this.#networks = new Networks(allowNetworks, "allow_network");
    this.#resolveHost = resolveHost;
  }

  /**
   * Returns the address under which a peer is known; `caller` is the observed source address. Throws invalid_argument
   * for a malformed public URL, and permission_denied if its host is an address that is not allowed. An observed
   * address that is not allowed only unlists the peer, which cannot know what address the tracker sees. A public URL
   * with a host name needs `literalsOf` besides.
   */
  resolve(declared: DeclaredAddress, caller: string): PeerAddress {
    if (declared.publicUrl) return this.#public(declared.publicUrl);
    if (declared.port === 0) return { url: "", address: "", refusal: "it announced no address" };
    if (declared.port > 65_535) throw new InvalidField("port", "must be 1 to 65535");
    const ip = parseIp(caller);
    if (!ip) return { url: "", address: "", refusal: "its address is not known" };
    const { url, address } = namedAs(
      declared.tls ? "https:" : "http:",
      withBrackets(ip.toString()),
      declared.port,
    );
    if (this.#allows(ip)) return { url, address, refusal: "" };
    return { url, address: "", refusal: this.#outside(ip) };
  }

  /**
   * Returns all current addresses of a peer URL's host. Only these may be dialled, because a name may lead to another
   * host a moment later. Throws permission_denied unless all are allowed, and unavailable if there is none.
   */
  async literalsOf(url: string): Promise<readonly string[]> {
    const { hostname } = new URL(url);
    const literal = parseIp(hostname);
    const found = literal ? [literal] : (await this.#resolveHost(hostname)).map(parseIp);
    if (found.length === 0) throw new PiezaError("unavailable", `${hostname} has no address`);
    // The error does not tell which address is forbidden: that would reveal names of this network to any caller.
    if (!found.every((ip) => ip && this.#allows(ip))) throw forbidden(hostname);
    return found.map(String);
  }

  #public(text: string): PeerAddress {
    const url = parsePeerUrl(text);
    const port = Number(url.port) || (url.protocol === "https:" ? 443 : 80);
    const ip = parseIp(url.hostname);
    if (ip && !this.#allows(ip))
      throw new PiezaError("permission_denied", `public_url: ${this.#outside(ip)}`);
    return { ...namedAs(url.protocol, ip ? withBrackets(ip.toString()) : url.hostname, port), refusal: "" };
  }

  /** The refusal tells the peer's operator which flag of the tracker to ask for. */
  #outside(ip: Ip): string {
    const own = this.#own === "none" ? "no" : this.#own;
    const network = `${ip}/${ip.kind() === "ipv6" ? 128 : 32}`;
    return `this tracker names ${own} addresses, and ${ip} is not one: start it with --allow-network ${network}`;
  }

  #allows(ip: Ip): boolean {
    const own = classOf(ip);
    return (own === this.#own && own !== "none") || this.#networks.has(ip);
  }
}

function forbidden(host: string): PiezaError {
  const reason = `${host} is not in the networks that this tracker allows (--allow-network adds one)`;
  return new PiezaError("permission_denied", `public_url: ${reason}`);
}

/** The class of the host that a server binds. A wildcard has the class of this machine's widest address. */
export function classOfHost(host: string, interfaces = networkInterfaces()): NetworkClass {
  const ip = parseIp(host);
  if (ip && ip.range() !== "unspecified") return classOf(ip);
  const classes = Object.values(interfaces).flatMap((addresses) =>
    (addresses ?? []).map(({ address }) => classOf(ipaddr.process(address))),
  );
  return (["public", "private"] as const).find((wide) => classes.includes(wide)) ?? "loopback";
}

/** The unit that the cap on leases counts: an IPv4 address, or the /64 that one IPv6 customer usually has. */
export function sourceOf(caller: string): string {
  const address = parseIp(caller);
  const ip = address && oneLoopback(address);
  if (ip instanceof ipaddr.IPv6) return `${ipaddr.IPv6.networkAddressFromCIDR(`${ip}/64`)}/64`;
  return ip?.toString() ?? "";
}

/** Parses `http(s)://host[:port]`. */
function parsePeerUrl(text: string): URL {
  if (!isPeerUrl(text)) throw new InvalidField("public_url", "must be http or https, a host and a port");
  return new URL(text);
}

function namedAs(protocol: string, host: string, port: number): Pick<PeerAddress, "url" | "address"> {
  return { url: `${protocol}//${host}:${port}`, address: `${host}:${port}` };
}

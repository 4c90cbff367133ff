import { networkInterfaces } from "node:os";
import ipaddr from "ipaddr.js";
import { InvalidField, PiezaError } from "#core/base/errors.ts";
import { withBrackets } from "#core/base/host.ts";
import { type Ip, Networks, parseIp } from "../../http/base/networks.ts";
import type { LookUp } from "./dns.ts";

/** Where an address lies: on this machine, in a private network, on the internet, or nowhere that a peer can be. */
export type NetworkClass = "loopback" | "private" | "public" | "none";

/** Where a peer says it serves. */
export interface DeclaredAddress {
  /** 0: nowhere that others could reach. */
  readonly port: number;
  readonly publicUrl?: string | undefined;
  readonly tls: boolean;
}

/** A peer's address as the tracker names it. */
export interface PeerAddress {
  /** Scheme, host and port; empty if it told none. */
  readonly url: string;
  /** Host and port, in one form for all spellings of an address; empty if others cannot be told of it. */
  readonly address: string;
  /** Why others cannot be told of it, in words; empty if they can. */
  readonly refusal: string;
}

export interface AddressPolicyOptions {
  /** The class of the tracker itself: its peers' addresses are of the same. */
  readonly own: NetworkClass;
  /** Networks that are allowed besides, as CIDR. */
  readonly allowNetworks?: readonly string[] | undefined;
  /** What the host name of a public URL stands for. */
  readonly lookUp: LookUp;
}

/**
 * Decides under which URL a peer is known.
 *
 * Everybody who asks this tracker will open connections to what it names, so a peer may not name what it is not:
 * without a public URL its host is the address that its announce came from.
 */
export class AddressPolicy {
  readonly #own: NetworkClass;
  readonly #networks: Networks;
  readonly #lookUp: LookUp;

  constructor({ own, allowNetworks = [], lookUp }: AddressPolicyOptions) {
    this.#own = own;
    this.#networks = new Networks(allowNetworks, "allow_network");
    this.#lookUp = lookUp;
  }

  /**
   * `caller` is the observed source address. A public URL fails with invalid_argument if it is none, and with
   * permission_denied if its host is an address that is not allowed; an observed address that is not allowed is no
   * error: such a peer is not listed, because it cannot know what the tracker sees. A public URL with a name is only
   * as good as what `literalsOf` says of it.
   */
  resolve(declared: DeclaredAddress, caller: string): PeerAddress {
    if (declared.publicUrl) return this.#public(declared.publicUrl);
    if (declared.port === 0) return { url: "", address: "", refusal: "it announced no address" };
    if (declared.port > 65_535) throw new InvalidField("port", "must be 1 to 65535");
    const ip = parseIp(caller);
    if (!ip) return { url: "", address: "", refusal: "its address is not known" };
    const { url, address } = named(
      declared.tls ? "https:" : "http:",
      withBrackets(ip.toString()),
      declared.port,
    );
    if (this.#allows(ip)) return { url, address, refusal: "" };
    return { url, address: "", refusal: this.#outside(ip) };
  }

  /**
   * Every address that the host of a peer's URL has now. Only these may be dialled, because a name can mean another
   * host a moment later. Fails with permission_denied unless all of them are allowed, and with unavailable for a name
   * that has none.
   */
  async literalsOf(url: string): Promise<readonly string[]> {
    const { hostname } = new URL(url);
    const literal = parseIp(hostname);
    const found = literal ? [literal] : (await this.#lookUp(hostname)).map(parseIp);
    if (found.length === 0) throw new PiezaError("unavailable", `${hostname} has no address`);
    // Which of them is forbidden is not told: that would read this network's names to anybody.
    if (!found.every((ip) => ip && this.#allows(ip))) throw forbidden(hostname);
    return found.map(String);
  }

  #public(text: string): PeerAddress {
    const url = parsePeerUrl(text);
    const port = Number(url.port) || (url.protocol === "https:" ? 443 : 80);
    const ip = parseIp(url.hostname);
    if (ip && !this.#allows(ip))
      throw new PiezaError("permission_denied", `public_url: ${this.#outside(ip)}`);
    return { ...named(url.protocol, ip ? withBrackets(ip.toString()) : url.hostname, port), refusal: "" };
  }

  /** Words for the peer, which tells its person, who asks the tracker's. */
  #outside(ip: Ip): string {
    const own = this.#own === "none" ? "no" : this.#own;
    const network = `${ip}/${ip.kind() === "ipv6" ? 128 : 32}`;
    return `this tracker names ${own} addresses, and ${ip} is none; its --allow-network ${network} would change that`;
  }

  #allows(ip: Ip): boolean {
    const own = classOf(ip);
    return (own === this.#own && own !== "none") || this.#networks.has(ip);
  }
}

function forbidden(host: string): PiezaError {
  return new PiezaError(
    "permission_denied",
    `public_url: ${host} is not in the networks that this tracker allows, which its --allow-network adds to`,
  );
}

/** The class of the address that a server binds. A wildcard has that of the widest address of this machine. */
export function classOfHost(host: string, interfaces = networkInterfaces()): NetworkClass {
  const ip = parseIp(host);
  if (ip && ip.range() !== "unspecified") return classOf(ip);
  const classes = Object.values(interfaces).flatMap((addresses) =>
    (addresses ?? []).map(({ address }) => classOf(ipaddr.process(address))),
  );
  return (["public", "private"] as const).find((wide) => classes.includes(wide)) ?? "loopback";
}

/** What the cap on leases counts as one address: an IPv4 address, or the /64 that one IPv6 customer gets. */
export function sourceOf(caller: string): string {
  const ip = parseIp(caller);
  if (ip instanceof ipaddr.IPv6) return `${ipaddr.IPv6.networkAddressFromCIDR(`${ip}/64`)}/64`;
  return ip?.toString() ?? "";
}

function classOf(ip: Ip): NetworkClass {
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
      // Link-local (cloud metadata lives there), multicast, reserved, and IPv6 forms that hide an IPv4 address.
      return "none";
  }
}

/** Only `http(s)://host[:port]`. The text is checked too, because parsing drops newlines and empty queries. */
function parsePeerUrl(text: string): URL {
  const url = /^https?:\/\/[^\s/?#@\\]+\/?$/i.test(text) ? URL.parse(text) : null;
  if (!url || url.port === "0")
    throw new InvalidField("public_url", "must be http or https, a host and a port");
  return url;
}

function named(protocol: string, host: string, port: number): Pick<PeerAddress, "url" | "address"> {
  return { url: `${protocol}//${host}:${port}`, address: `${host}:${port}` };
}

/** Deprecated `::a.b.c.d`, which some systems still treat as the IPv4 address. */
const IPV4_COMPATIBLE: [ipaddr.IPv6, number] = [ipaddr.IPv6.parse("::"), 96];

import { type LookupAddress, type LookupAllOptions, lookup as systemLookup } from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import { networkInterfaces } from "node:os";
import { PeerFailed } from "#core/base/errors.ts";
import { withoutBrackets } from "#core/base/host.ts";
import type { Ip, NetworkClass } from "../base/networks.ts";

/** From near to far. A server at an address of no class counts as far: it may name servers on the internet only. */
const DISTANCE: Readonly<Record<NetworkClass, number>> = { loopback: 0, private: 1, public: 2, none: 2 };

const KINDS: Readonly<Record<NetworkClass, string>> = {
  loopback: "an address of this machine",
  private: "a private address",
  public: "a public address",
  none: "a link-local or reserved address",
};

/** Hosts that are this machine, told without the package that knows all other addresses. */
const HERE = /^(127(\.\d{1,3}){3}|localhost|\[::1\])$/;

/** Servers and named URLs that are remembered; beyond that the oldest are forgotten. */
const MAX_KNOWN = 4_096;

// A download's first request leaves before any package is loaded, and many downloads on one machine never need this.
const loadRules = () => import("../base/networks.ts");

/** The refusal of a named URL, or undefined; and the place of the server that named it. */
interface Verdict {
  readonly from: NetworkClass;
  readonly refusal: string | undefined;
}

/** Looks up all addresses of a name, as dns.lookup does. */
type SystemLookup = (
  hostname: string,
  options: LookupAllOptions,
  callback: (error: NodeJS.ErrnoException | null, found: LookupAddress[]) => void,
) => void;

export interface ReachOptions {
  /** Networks (CIDR) that may be dialled besides, whoever names their addresses. Default: none. */
  readonly allowNetworks?: readonly string[] | undefined;
  /** How a person permits a refused network, in words. */
  readonly advice?: ((network: string) => string) | undefined;
  /** Default: the system's. */
  readonly lookup?: SystemLookup | undefined;
}

/**
 * Which addresses this program dials because a server named them. A server may name others that are as far away as
 * itself, or farther: one on the internet must not make this program call servers of this machine or its network.
 */
export class Reach {
  readonly #allowNetworks: readonly string[];
  readonly #advice: (network: string) => string;
  readonly #lookup: SystemLookup;
  /** By URL: the farthest class of address at which the server was looked up. Only for servers that have a name. */
  readonly #farthest = new Map<string, NetworkClass>();
  readonly #verdicts = new Map<string, Verdict>();

  constructor(options: ReachOptions = {}) {
    const { allowNetworks = [], advice, lookup = systemLookup } = options;
    this.#allowNetworks = allowNetworks;
    this.#advice = advice ?? ((network) => `--allow-network ${network} allows it`);
    this.#lookup = lookup;
  }

  /** The lookup to dial a server with that names others: remembers where its name leads. */
  lookupOf(server: string): LookupFunction {
    return guarded(this.#lookup, (ips, rules) => this.#place(server, ips, rules));
  }

  /** Notes that `server` named these URLs. Fails with InvalidField for an `allowNetworks` entry that is no network. */
  async named(server: string, urls: readonly string[]): Promise<void> {
    const from = await this.#placeOf(server);
    for (const url of urls) {
      const known = this.#verdicts.get(url);
      if (known && DISTANCE[known.from] <= DISTANCE[from]) continue;
      remember(this.#verdicts, url, { from, refusal: await this.#refusalOf(hostOf(url), from) });
    }
  }

  /**
   * The lookup to dial a named URL with, which may itself name others. It fails for a name that leads to an address which may not be dialled. Throws
   * PeerFailed(permission_denied) if the URL's own address may not be, or if no server has named the URL.
   */
  lookupTo(url: string): LookupFunction {
    const { from, refusal } = this.#verdicts.get(url) ?? { from: "none", refusal: "no server has named it" };
    if (refusal !== undefined) throw new PeerFailed("permission_denied", refusal);
    return guarded(this.#lookup, (ips, rules) => {
      const refused = ips.map((ip) => this.#refusal(ip, from, rules)).find((reason) => reason !== undefined);
      if (refused !== undefined) throw new PeerFailed("permission_denied", refused);
      this.#place(url, ips, rules);
    });
  }

  /** As lookupTo, but looks a name up at once: why the URL may not be dialled, or undefined. */
  async refusalTo(url: string): Promise<string | undefined> {
    try {
      const lookup = this.lookupTo(url);
      const host = hostOf(url);
      const found = isLiteral(host) ? undefined : await lookedUp(host, lookup);
      return found instanceof PeerFailed ? found.message : undefined;
    } catch (error) {
      if (error instanceof PeerFailed) return error.message;
      throw error;
    }
  }

  async #placeOf(server: string): Promise<NetworkClass> {
    const host = hostOf(server);
    if (HERE.test(host)) return "loopback";
    const rules = await loadRules();
    const ip = rules.parseIp(host);
    if (ip) return placeOfServer(ip, rules);
    if (!this.#farthest.has(server)) await lookedUp(host, this.lookupOf(server));
    // Only a proxy knows where a name is that leads nowhere from here.
    return this.#farthest.get(server) ?? "public";
  }

  #place(server: string, ips: readonly Ip[], rules: Rules): void {
    const places = ips.map((ip) => placeOfServer(ip, rules));
    const known = this.#farthest.get(server);
    const farthest = [...places, ...(known ? [known] : [])].reduce(farther, "loopback");
    remember(this.#farthest, server, farthest);
  }

  async #refusalOf(host: string, from: NetworkClass): Promise<string | undefined> {
    if (from === "loopback" && HERE.test(host)) return undefined;
    const rules = await loadRules();
    const ip = rules.parseIp(host);
    return ip && this.#refusal(ip, from, rules);
  }

  #refusal(ip: Ip, from: NetworkClass, rules: Rules): string | undefined {
    const place = rules.classOf(ip);
    if (place !== "none" && DISTANCE[place] >= DISTANCE[from]) return undefined;
    if (new rules.Networks(this.#allowNetworks, "allow_network").has(ip)) return undefined;
    const network = `${ip}/${ip.kind() === "ipv6" ? 128 : 32}`;
    const why = place === "none" ? "" : `, and the server that named it has ${KINDS[from]}`;
    return `${ip} is ${KINDS[place]}${why}; ${this.#advice(network)}`;
  }
}

type Rules = Awaited<ReturnType<typeof loadRules>>;

/** A server at an address of this machine is as near as loopback, and one in a network of this machine is a neighbour. */
function placeOfServer(ip: Ip, rules: Rules): NetworkClass {
  const place = rules.classOf(ip);
  if (place === "loopback") return place;
  const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  if (own.some(({ address }) => rules.parseIp(address)?.toString() === ip.toString())) return "loopback";
  const near = own.flatMap(({ cidr, internal }) => (cidr === null || internal ? [] : [cidr]));
  return place === "public" && new rules.Networks(near, "interfaces").has(ip) ? "private" : place;
}

function farther(a: NetworkClass, b: NetworkClass): NetworkClass {
  return DISTANCE[b] > DISTANCE[a] ? b : a;
}

/** A lookup whose `check` sees all addresses of the name first, and fails the lookup by throwing. */
function guarded(lookup: SystemLookup, check: (ips: readonly Ip[], rules: Rules) => void): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, found) => {
      if (error) return callback(error, "", 0);
      const checked = loadRules().then((rules) => {
        check(
          found.flatMap(({ address }) => rules.parseIp(address) ?? []),
          rules,
        );
      });
      checked.then(
        () => {
          if (options.all) callback(null, found);
          else callback(null, found[0]!.address, found[0]!.family);
        },
        (refused: Error) => callback(refused, "", 0),
      );
    });
  };
}

/** Looks a host up. Resolves with the error, or with undefined. */
function lookedUp(host: string, lookup: LookupFunction): Promise<Error | undefined> {
  return new Promise((resolve) => lookup(host, { all: true }, (error) => resolve(error ?? undefined)));
}

function hostOf(url: string): string {
  return new URL(url).hostname;
}

function isLiteral(host: string): boolean {
  return HERE.test(host) || isIP(withoutBrackets(host)) !== 0;
}

function remember<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > MAX_KNOWN) map.delete(map.keys().next().value!);
}

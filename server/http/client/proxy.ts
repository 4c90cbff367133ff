import net from "node:net";
import { InvalidField, PiezaError } from "#core/base/errors.ts";
import { withoutBrackets } from "#core/base/host.ts";

type Environment = Readonly<Record<string, string | undefined>>;

const DEFAULT_PORTS: Readonly<Record<string, string>> = { "http:": "80", "https:": "443" };

/**
 * The proxy for an http or https URL, as HTTP_PROXY, HTTPS_PROXY and NO_PROXY name it; their lowercase spellings come
 * first. Undefined to connect without a proxy, as always to this machine. Throws InvalidField if the variable's value
 * is not the URL of an HTTP proxy.
 */
export function proxyFor(url: string, env: Environment = process.env): URL | undefined {
  const name = url.startsWith("https:") ? "HTTPS_PROXY" : "HTTP_PROXY";
  const value = env[name.toLowerCase()] || env[name];
  // First, because mostly there is no proxy and nothing has to be parsed.
  if (!value) return undefined;
  const { protocol, hostname, port } = new URL(url);
  const host = bare(hostname);
  if (isThisMachine(host)) return undefined;
  const exceptions = (env.no_proxy || env.NO_PROXY || "").toLowerCase();
  const target = { host, port: port || DEFAULT_PORTS[protocol] };
  if (exceptions.split(/[\s,]+/).some((exception) => covers(exception, target))) return undefined;
  return parseProxy(name, value);
}

/**
 * The `proxyEnv` option that sends all requests of an agent of node:http or node:https through one proxy. Throws
 * PiezaError("failed_precondition") on a Node whose agents ignore the option: before 22.21, and from 23.0 to 24.4.
 */
export function everythingThrough(
  { href }: URL,
  nodeVersion: string = process.versions.node,
): Record<"HTTP_PROXY" | "HTTPS_PROXY", string> {
  const [major = 0, minor = 0] = nodeVersion.split(".").map(Number);
  if (major < 22 || (major === 22 && minor < 21) || major === 23 || (major === 24 && minor < 5)) {
    throw new PiezaError(
      "failed_precondition",
      `Node ${nodeVersion} cannot go through a proxy; use Node 24.5 or later, or 22.21 or later of version 22`,
    );
  }
  return { HTTP_PROXY: href, HTTPS_PROXY: href };
}

/** A proxy's URL for people, without the user and the password. */
export function proxyName({ protocol, host }: URL): string {
  return `${protocol}//${host}`;
}

function parseProxy(name: string, value: string): URL {
  const url = URL.parse(value.includes("://") ? value : `http://${value}`);
  if (url && url.protocol in DEFAULT_PORTS) return url;
  throw new InvalidField(name, "must be the URL of an HTTP proxy, such as http://proxy.example:3128");
}

function isThisMachine(host: string): boolean {
  return host === "localhost" || host.endsWith(".localhost") || host === "::1" || /^127\.[\d.]+$/.test(host);
}

/**
 * Whether an entry of NO_PROXY covers a target. An entry is "*", a domain (which covers its subdomains, with or
 * without "." or "*." in front), an IP address or a network such as 10.0.0.0/8. A domain may have a port, which must
 * be equal.
 */
function covers(exception: string, { host, port }: { host: string; port: string | undefined }): boolean {
  if (exception === "*") return true;
  const [network = "", bits] = exception.split("/");
  const family = net.isIP(bare(network));
  if (bits !== undefined) return family !== 0 && inNetwork(host, bare(network), Number(bits));
  if (family !== 0) return host === bare(network);
  const [, name = "", onlyPort] = /^(.*?)(?::(\d+))?$/.exec(exception) ?? [];
  if (onlyPort !== undefined && onlyPort !== port) return false;
  const domain = bare(name).replace(/^\*?\./, "");
  return domain !== "" && (host === domain || (net.isIP(host) === 0 && host.endsWith(`.${domain}`)));
}

function inNetwork(host: string, network: string, bits: number): boolean {
  const family = net.isIP(network);
  if (net.isIP(host) !== family || !(bits >= 0 && bits <= (family === 4 ? 32 : 128))) return false;
  const list = new net.BlockList();
  const kind = family === 4 ? "ipv4" : "ipv6";
  list.addSubnet(network, bits, kind);
  return list.check(host, kind);
}

/** A host without brackets and without the dot of the DNS root. */
function bare(host: string): string {
  return withoutBrackets(host).replace(/\.$/, "");
}

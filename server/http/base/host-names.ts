import ipaddr from "ipaddr.js";

/** Headers that are known to name us, so that they are parsed once: callers send the same again and again. */
const MAX_KNOWN = 64;

/**
 * Which host names a server answers to. On a loopback bind that matters: a page on the web may point a name of its own
 * at 127.0.0.1 and then talk to us as its own origin (DNS rebinding). Elsewhere any name is fine.
 */
export function hostCheck(options: {
  host: string;
  publicUrl?: string | undefined;
  allowedHosts?: readonly string[] | undefined;
}): (hostHeader: string | undefined) => boolean {
  if (!isLoopback(options.host)) return () => true;
  const names = new Set(["localhost", ...(options.allowedHosts ?? []).map((name) => name.toLowerCase())]);
  if (options.publicUrl) names.add(hostName(new URL(options.publicUrl).host));
  const known = new Set<string | undefined>();
  return (hostHeader) => {
    if (known.has(hostHeader)) return true;
    const name = hostName(hostHeader ?? "");
    const ours = names.has(name) || isLoopback(name);
    if (ours && known.size < MAX_KNOWN) known.add(hostHeader);
    return ours;
  };
}

/** "localhost" or a loopback address literal, with or without brackets. */
export function isLoopback(host: string): boolean {
  if (host === "localhost") return true;
  const literal = host.replace(/^\[(.*)\]$/, "$1");
  if (!ipaddr.isValid(literal)) return false;
  return ipaddr.process(literal).range() === "loopback";
}

/** The name without its port, in lowercase, without the root's dot. */
function hostName(hostHeader: string): string {
  return hostHeader.toLowerCase().replace(/:\d*$/, "").replace(/\.$/, "");
}

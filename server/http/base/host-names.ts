import ipaddr from "ipaddr.js";
import { unbracketed } from "./brackets.ts";

/** Accepted Host headers that are remembered, so that a repeated one is not parsed again. */
const MAX_KNOWN = 64;

/**
 * Returns a function that says whether a Host header names this server. On a loopback bind a foreign name is refused:
 * a web page may point its own name at 127.0.0.1 and then call this server as its own origin (DNS rebinding). On any
 * other bind every name is accepted.
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

/** Whether a host is "localhost" or a loopback address, with or without brackets. */
export function isLoopback(host: string): boolean {
  if (host === "localhost") return true;
  const literal = unbracketed(host);
  return ipaddr.isValid(literal) && ipaddr.process(literal).range() === "loopback";
}

/** The name in a Host header, in lowercase, without the port and without the dot of the DNS root. */
function hostName(hostHeader: string): string {
  return hostHeader.toLowerCase().replace(/:\d*$/, "").replace(/\.$/, "");
}

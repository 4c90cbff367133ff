import { networkInterfaces } from "node:os";

/** Whether a bind to `host` takes connections at every address of this machine. */
export function isWildcard(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}

/**
 * The address at which other machines may reach a server on a wildcard bind: the first of an interface that is
 * neither loopback nor link-local. Undefined if there is none.
 */
export function outerAddress(host: string, interfaces = networkInterfaces()): string | undefined {
  return Object.values(interfaces)
    .flatMap((addresses) => addresses ?? [])
    .find(
      ({ internal, family, address }) =>
        !internal && (family === "IPv4" || host === "::") && !/^(fe80:|169\.254\.)/i.test(address),
    )?.address;
}

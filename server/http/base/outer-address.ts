import { networkInterfaces } from "node:os";

export function isWildcard(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}

/**
 * Where others may reach a server on a wildcard bind: the first interface's address that is not for this machine or
 * this link alone. Undefined if there is none.
 */
export function outerAddress(host: string, interfaces = networkInterfaces()): string | undefined {
  return Object.values(interfaces)
    .flatMap((addresses) => addresses ?? [])
    .find(
      ({ internal, family, address }) =>
        !internal && (family === "IPv4" || host === "::") && !/^(fe80:|169\.254\.)/i.test(address),
    )?.address;
}

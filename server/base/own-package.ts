import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * The folder of the package or checkout. This file is two folders below it, and so is the bundle that `npm run build`
 * makes.
 */
export const packageRoot = fileURLToPath(new URL("../..", import.meta.url));

/** The path of the `pieza` program, to start it as a process. */
export const programPath = join(packageRoot, "server/cli/pieza.js");

/** The version in package.json. */
export function packageVersion(): string {
  const text = readFileSync(join(packageRoot, "package.json"), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

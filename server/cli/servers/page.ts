import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, globSync, statSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../base/own-package.ts";
import { CliError, ExitCode } from "../line/exit-code.ts";
import type { Output } from "../line/output.ts";

const built = join(packageRoot, "web/dist");
/** The files that the page is built from. The published package has none of them. */
const sources = [
  "web/src/**/*",
  "web/public/**/*",
  "web/*",
  "core/**/*.ts",
  "gen/**/*.ts",
  "package-lock.json",
];

/** True if this runs from a checkout of the repository, which has the sources of the page. */
export const inCheckout = existsSync(join(packageRoot, "web/vite.config.ts"));

/** The folder of the built page, or undefined if there is none. */
export function pageDirectory(given: string | undefined): string | undefined {
  return given ?? (existsSync(join(built, "index.html")) ? built : undefined);
}

/** In a checkout, builds the page if a source is newer. Fails with CliError that has the output of the build. */
export async function buildPageIfOld(out: Output): Promise<void> {
  if (!inCheckout || !isOld()) return;
  out.note("Building the page...");
  const vite = join(packageRoot, "node_modules/vite/bin/vite.js");
  const child = spawn(process.execPath, [vite, "build", "web"], {
    cwd: packageRoot,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text) => (said += text));
  const [code] = await once(child, "close");
  if (code !== 0) throw new CliError(ExitCode.FAILED, `the page could not be built:\n${said.trim()}`);
}

function isOld(): boolean {
  const index = statSync(join(built, "index.html"), { throwIfNoEntry: false });
  if (!index) return true;
  const exclude = (path: string) => path.endsWith("dist") || path.endsWith("node_modules");
  return globSync(sources, { cwd: packageRoot, exclude }).some((path) => {
    const facts = statSync(join(packageRoot, path));
    return facts.isFile() && facts.mtimeMs > index.mtimeMs;
  });
}

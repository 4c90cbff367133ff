import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { buildPackage } from "../../../scripts/build.ts";

const run = promisify(execFile);

/** The published package. `web/dist` must exist. */
export interface Packed {
  /** The package's folder, from which it is published. */
  readonly dist: string;
  /** The file that `npm install -g` takes. */
  readonly tarball: string;
  remove(): Promise<void>;
}

/** Builds and packs the package in a folder of its own, because several files of tests do so at a time. */
export async function packPieza(): Promise<Packed> {
  const folder = await mkdtemp(join(tmpdir(), "pieza-packed-"));
  const dist = join(folder, "dist");
  await buildPackage(dist);
  const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", folder], { cwd: dist });
  const [{ filename }] = JSON.parse(stdout);
  return {
    dist,
    tarball: join(folder, filename),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

/** Installs the package below `prefix`, without a network. Returns the path of the command. */
export async function installPieza({ tarball }: Packed, prefix: string): Promise<string> {
  const where = ["--prefix", prefix, "--cache", join(prefix, "npm-cache")];
  await run("npm", ["install", "--global", "--offline", "--engine-strict", ...where, tarball]);
  return join(prefix, "bin/pieza");
}

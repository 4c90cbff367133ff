import { execFile } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Kept between runs of the tests. */
const folder = "/var/cache/pieza-tests";

/**
 * Makes a root of Debian 13 by mmdebstrap with these arguments, once, also when several processes ask for it at a time.
 * Returns its path: a folder, or an archive if `name` ends in ".tar". A root with other packages needs another name.
 */
export async function debianRoot(name: string, ...args: string[]): Promise<string> {
  const path = `${folder}/${name}`;
  await mkdir(folder, { recursive: true });
  // A root that was begun and not finished has this name; mmdebstrap makes an archive only if the name ends so.
  const draft = `${folder}/draft-${name}`;
  const make = `rm -rf ${draft} && mmdebstrap "$@" trixie ${draft} && mv ${draft} ${path}`;
  await run("flock", [`${path}.lock`, "sh", "-c", `test -e ${path} || { ${make}; }`, "sh", ...args]);
  return path;
}

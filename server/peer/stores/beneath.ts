import { closeSync, constants, existsSync, lstatSync, openSync } from "node:fs";

const { O_DIRECTORY = 0, O_NOFOLLOW = 0 } = constants;
/** Linux: opens a folder only as the place of others, which needs no permission to list it. Node has no name for it. */
const O_PATH = 0x200000;
/** Where Linux shows open folders under names that lead to them, however they are renamed or replaced. */
const OPEN_FOLDERS = "/proc/self/fd";

const hasOpenFolders = process.platform === "linux" && existsSync(OPEN_FOLDERS);

/**
 * Calls `use` with a path of what is at `path` in the folder `root`, and fails with ELOOP or ENOTDIR if `root` or a
 * folder on the way is a link. On Linux another process cannot change that during `use`, because the path leads
 * through opened folders; elsewhere the folders are only looked at before. What is at the path itself may be a link:
 * that is for `use` to refuse. `path`: relative, with "/" between segments. Errors name the file by its usual path.
 */
export function beneath<T>(root: string, path: string, use: (path: string) => T): T {
  const segments = path.split("/");
  const name = segments.pop()!;
  if (!hasOpenFolders) {
    lookAt(root, segments);
    return use(`${root}/${path}`);
  }
  let folder: number | undefined;
  let [at, opened] = [root, root];
  try {
    folder = openFolder(root);
    for (const segment of segments) {
      [at, opened] = [`${at}/${segment}`, `${OPEN_FOLDERS}/${folder}/${segment}`];
      const inner = openFolder(opened);
      closeSync(folder);
      folder = inner;
    }
    [at, opened] = [`${at}/${name}`, `${OPEN_FOLDERS}/${folder}/${name}`];
    return use(opened);
  } catch (error) {
    throw named(error, opened, at);
  } finally {
    if (folder !== undefined) closeSync(folder);
  }
}

function openFolder(path: string): number {
  return openSync(path, O_PATH | O_DIRECTORY | O_NOFOLLOW);
}

function lookAt(root: string, folders: readonly string[]): void {
  let at = root;
  for (const folder of ["", ...folders]) {
    if (folder !== "") at = `${at}/${folder}`;
    if (lstatSync(at).isDirectory()) continue;
    throw Object.assign(new Error(`ENOTDIR: not a folder, open '${at}'`), { code: "ENOTDIR", path: at });
  }
}

/** Writes the file's usual path into an error of the file system, or into the one that caused `error`. */
function named(error: unknown, opened: string, path: string): unknown {
  if (!(error instanceof Error)) return error;
  if (error.cause !== undefined) named(error.cause, opened, path);
  const failed = error as NodeJS.ErrnoException & { dest?: string };
  if (failed.path === opened) failed.path = path;
  if (failed.dest === opened) failed.dest = path;
  failed.message = failed.message.replace(opened, path);
  return failed;
}

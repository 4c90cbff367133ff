import { lstatSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { PiezaError } from "#core/base/errors.ts";
import { ignoreMissing, nodeDisk } from "./disk.ts";
import { isHeld, takeLock } from "./lock.ts";
import { storePaths } from "./store-paths.ts";

/** The working files of an unfinished download of another torrent, such as an older version, to the same target. */
export interface StalePart {
  /** Path of the `.part` file or folder. */
  readonly part: string;
  readonly journal: string;
  readonly lock: string;
  /** Bytes that the part occupies on the disk. */
  readonly allocatedBytes: number;
}

/** Finds what downloads of other torrents have left beside the target. Leaves out those that a process has open. */
export function findStaleParts(target: string, infoHash: string): StalePart[] {
  const { folder, part } = storePaths(target, infoHash);
  const prefix = basename(part).slice(0, -`${infoHash.slice(0, 8)}.part`.length);
  const found: StalePart[] = [];
  for (const name of namesIn(folder)) {
    const [, hash] = name.startsWith(prefix)
      ? (/^([0-9a-f]{8})\.part$/.exec(name.slice(prefix.length)) ?? [])
      : [];
    if (!hash || hash === infoHash.slice(0, 8)) continue;
    const paths = storePaths(target, hash);
    if (isHeld(paths.lock)) continue;
    found.push({ ...paths, allocatedBytes: allocatedBytes(paths.part) });
  }
  return found;
}

/** Removes them, unless a process has begun to use them. Returns whether they are gone. Fails with StoreFailed. */
export function removeStalePart({ part, journal, lock }: StalePart): boolean {
  try {
    const held = takeLock(lock, basename(part));
    nodeDisk.remove(part);
    nodeDisk.remove(journal);
    held.release();
    return true;
  } catch (error) {
    if (error instanceof PiezaError && error.code === "failed_precondition") return false;
    throw error;
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    return ignoreMissing(error) ?? [];
  }
}

function allocatedBytes(path: string): number {
  const facts = lstatSync(path, { throwIfNoEntry: false });
  if (!facts?.isDirectory()) return (facts?.blocks ?? 0) * 512;
  return readdirSync(path).reduce((sum, name) => sum + allocatedBytes(join(path, name)), 0);
}

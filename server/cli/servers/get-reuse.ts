import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { Torrent } from "#core/torrent/torrent.ts";
import { findStaleParts, removeStalePart, type StalePart } from "../../peer/stores/stale-parts.ts";
import { UsageError } from "../line/exit-code.ts";
import type { Output } from "../line/output.ts";
import { formatBytes } from "../line/units.ts";

/**
 * The files or folders in which a download may find pieces, for the paths of --reuse: a folder stands for the file or
 * folder of the torrent's name in it, too. Throws UsageError for a path that does not exist.
 */
export async function reusePaths(torrent: Torrent, paths: readonly string[], out: Output): Promise<string[]> {
  const found: string[] = [];
  for (const path of paths) {
    const kind = await kindOf(path);
    if (!kind) throw new UsageError(`--reuse: ${path} does not exist`);
    const wanted = torrent.files ? "folder" : "file";
    const inside = join(path, torrent.fileName);
    const roots = [
      kind === wanted ? path : undefined,
      (await kindOf(inside)) === wanted ? inside : undefined,
    ];
    const usable = roots.filter((root) => root !== undefined);
    if (usable.length === 0) out.warn(`--reuse: ${path} has no ${wanted} ${torrent.fileName}`);
    found.push(...usable);
  }
  return found;
}

async function kindOf(path: string): Promise<"file" | "folder" | undefined> {
  const facts = await stat(path).catch(() => undefined);
  return facts && (facts.isDirectory() ? "folder" : "file");
}

/** Finds what unfinished downloads of other versions have left beside the target, and tells the user. */
export function staleParts(target: string, infoHash: string, remove: boolean, out: Output): StalePart[] {
  const stale = findStaleParts(target, infoHash);
  for (const { part, allocatedBytes } of stale) {
    const what = `${part} (${formatBytes(allocatedBytes)}) is left of an unfinished download of another version`;
    if (!remove) out.warn(`${what}; --remove-stale removes it`);
  }
  return stale;
}

/** Removes them, and tells the user. Fails with StoreFailed. */
export function removeStaleParts(stale: readonly StalePart[], out: Output): void {
  for (const each of stale) {
    if (removeStalePart(each)) out.note(`Removed ${each.part} (${formatBytes(each.allocatedBytes)})`);
    else out.warn(`${each.part} is in use and stays`);
  }
}

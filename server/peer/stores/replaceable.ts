import { basename } from "node:path";
import { PiezaError } from "#core/base/errors.ts";
import { windowsProblem } from "#core/base/file-name.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import type { Disk, FileFacts } from "./disk.ts";
import { foldersOf } from "./part-files.ts";

/** Refuses a device, a FIFO or a socket as a target, whatever the caller wants to replace. */
export function checkNoDevice(target: string, { kind }: FileFacts): void {
  if (kind === "other") throw inTheWay(basename(target), "is a device, a FIFO or a socket");
}

/**
 * Refuses to replace what is no file of the torrent, before anything is downloaded: a folder by a file, a file by a
 * folder, a device by anything. Files in the target that the torrent does not have are not looked at: they stay.
 * `select`: indices of the files that are wanted; default all.
 */
export function checkReplaceable(
  { files }: Pick<Torrent, "files">,
  select: readonly number[] | undefined,
  target: string,
  disk: Disk,
): void {
  const name = basename(target);
  const found = disk.look(target);
  if (!files) {
    if (found?.kind === "folder") throw inTheWay(name, "is a folder, and the torrent is a file");
    return;
  }
  checkFolder(name, found);
  const checked = new Set<string>();
  for (const { path } of select ? select.map((index) => files[index]!) : files) {
    for (const folder of foldersOf(path)) {
      if (checked.has(folder)) continue;
      checked.add(folder);
      checkFolder(`${name}/${folder}`, disk.look(`${target}/${folder}`));
    }
    const inside = disk.look(`${target}/${path}`)?.kind;
    if (inside === "folder")
      throw inTheWay(`${name}/${path}`, "is a folder, and the torrent has a file there");
    if (inside === "other") throw inTheWay(`${name}/${path}`, "is a device, a FIFO or a socket");
  }
}

/** Refuses wanted files that Windows would write under another name, as a stream of another file, or to a device. */
export function checkNamesOnWindows(
  { files = [] }: Pick<Torrent, "files">,
  select: readonly number[] | undefined,
): void {
  for (const { path } of select ? select.map((index) => files[index]!) : files) {
    const problem = windowsProblem(path);
    if (!problem) continue;
    const message = `Windows cannot write ${path}, whose name ${problem}; select the other files`;
    throw new PiezaError("invalid_argument", message);
  }
}

function checkFolder(name: string, found: FileFacts | undefined): void {
  if (!found || found.kind === "folder") return;
  const kind = found.kind === "other" ? "device, a FIFO or a socket" : found.kind;
  throw inTheWay(name, `is a ${kind}, and the torrent has a folder there`);
}

function inTheWay(name: string, problem: string): PiezaError {
  return new PiezaError("already_exists", `${name} ${problem}; move it away or choose another name`);
}

import { type BigIntStats, fstatSync, read } from "node:fs";
import { lstat } from "node:fs/promises";
import { promisify } from "node:util";
import { codeOf } from "./disk.ts";
import type { Segment } from "./file-map.ts";
import type { KeptFiles } from "./kept-files.ts";

const readAsync = promisify(read);

/** A byte range to read from one file. */
export interface FileRun extends Omit<Segment, "file"> {
  readonly path: string;
}

/**
 * Minimum age of a file's last change before its stamp is trusted. File systems count time in ticks of some
 * milliseconds (2 s on FAT), so two changes within one tick leave the same stamp.
 */
const SETTLED_MS = 3_000;

/**
 * Reads the runs into `into` and returns a stamp of every file read: its identity, size and times. The stamp is
 * undefined if a file changed during the read, or so shortly before `nowMs` (wall clock) that another change would
 * not show. Fails with the system's error, also for a link, and with an Error for a file that is too short.
 */
export async function readStamped(
  files: KeptFiles,
  runs: readonly FileRun[],
  nowMs: number,
  into: Uint8Array,
): Promise<string | undefined> {
  const stamps: (string | undefined)[] = [];
  for (const run of runs) {
    stamps.push(await files.with(run.path, (descriptor) => readRun(descriptor, run, into, nowMs)));
  }
  return stamps.includes(undefined) ? undefined : stamps.join(" ");
}

async function readRun(
  descriptor: number,
  { position, at, length }: FileRun,
  into: Uint8Array,
  nowMs: number,
): Promise<string | undefined> {
  const before = fstatSync(descriptor, { bigint: true });
  for (let done = 0; done < length; ) {
    const { bytesRead } = await readAsync(descriptor, into, at + done, length - done, position + done);
    if (bytesRead === 0) throw new Error("the file is shorter than it was");
    done += bytesRead;
  }
  const after = stampOf(fstatSync(descriptor, { bigint: true }));
  return after === stampOf(before) && isSettled(before, nowMs) ? after : undefined;
}

function stampOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`;
}

function isSettled({ ctimeMs }: BigIntStats, nowMs: number): boolean {
  return nowMs - Number(ctimeMs) > SETTLED_MS;
}

/** Size in bytes of the file at `path`; undefined if there is no regular file. */
export async function sizeOf(path: string): Promise<number | undefined> {
  try {
    const facts = await lstat(path);
    return facts.isFile() ? facts.size : undefined;
  } catch (error) {
    if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return undefined;
    throw error;
  }
}

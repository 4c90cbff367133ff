import { type BigIntStats, constants } from "node:fs";
import { lstat, open } from "node:fs/promises";
import { codeOf } from "./disk.ts";

/** A run of bytes to read from one file. */
export interface FileRun {
  readonly path: string;
  /** Where in the file, in bytes. */
  readonly position: number;
  /** Where in the result, in bytes. */
  readonly at: number;
  readonly length: number;
}

/**
 * How old a change has to be before a stamp is believed: file systems count time in ticks of some milliseconds (2 s on
 * FAT), and a second change in the tick of the first leaves the same stamp.
 */
const SETTLED_MS = 3_000;

/**
 * Reads the runs into one buffer, `into` or its own, and stamps it with the identity and times of every file read. The stamp is
 * undefined if a file changed while it was read or so short before `nowMs` (by the wall clock) that a further change
 * would not show. Fails with the
 * system's error, also for a link, and with an Error for a file that is too short.
 */
export async function readStamped(
  runs: readonly FileRun[],
  length: number,
  nowMs: number,
  into: Uint8Array = new Uint8Array(length),
): Promise<{ bytes: Uint8Array; stamp: string | undefined }> {
  const bytes = into.subarray(0, length);
  const stamps: (string | undefined)[] = [];
  for (const run of runs) stamps.push(await readRun(run, bytes, nowMs));
  return { bytes, stamp: stamps.includes(undefined) ? undefined : stamps.join(" ") };
}

async function readRun(
  { path, position, at, length }: FileRun,
  into: Uint8Array,
  nowMs: number,
): Promise<string | undefined> {
  const file = await open(
    path,
    constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0),
  );
  try {
    const before = await file.stat({ bigint: true });
    if (!before.isFile()) throw new Error("not a regular file");
    for (let done = 0; done < length; ) {
      const { bytesRead } = await file.read(into, at + done, length - done, position + done);
      if (bytesRead === 0) throw new Error("the file is shorter than it was");
      done += bytesRead;
    }
    const after = stampOf(await file.stat({ bigint: true }));
    return after === stampOf(before) && isSettled(before, nowMs) ? after : undefined;
  } finally {
    await file.close();
  }
}

function stampOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`;
}

function isSettled({ ctimeMs }: BigIntStats, nowMs: number): boolean {
  return nowMs - Number(ctimeMs) > SETTLED_MS;
}

/** Bytes of the file at `path`, or undefined if there is no regular file. */
export async function sizeOf(path: string): Promise<number | undefined> {
  try {
    const facts = await lstat(path);
    return facts.isFile() ? facts.size : undefined;
  } catch (error) {
    if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return undefined;
    throw error;
  }
}

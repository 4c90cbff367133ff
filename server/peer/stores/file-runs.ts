import { read } from "node:fs";
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
 * Reads the runs into `into`. Fails with the system's error, also for a link, and with an Error for a file that is too
 * short.
 */
export async function readRuns(files: KeptFiles, runs: readonly FileRun[], into: Uint8Array): Promise<void> {
  for (const run of runs) await files.with(run.path, (descriptor) => readRun(descriptor, run, into));
}

async function readRun(descriptor: number, run: FileRun, into: Uint8Array): Promise<void> {
  const { position, at, length } = run;
  for (let done = 0; done < length; ) {
    const { bytesRead } = await readAsync(descriptor, into, at + done, length - done, position + done);
    if (bytesRead === 0) throw new Error("the file is shorter than it was");
    done += bytesRead;
  }
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

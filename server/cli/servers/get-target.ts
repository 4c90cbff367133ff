import { createWriteStream, type Stats } from "node:fs";
import { mkdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Torrent } from "#core/torrent/torrent.ts";
import type { GetOptions } from "../../peer/downloading/get.ts";
import { UsageError } from "../line/exit-code.ts";
import { environmentName } from "../line/invocation.ts";
import type { Flags } from "../line/options.ts";

export type TargetFlags = Flags<"out" | "dir" | "seedAfter">;

/** The place of a finished download. */
export interface GetTarget extends Pick<GetOptions, "target"> {
  /** The place's name in messages. */
  readonly shown: string;
}

/** Refuses flags that contradict each other. Throws UsageError. */
export function checkTargetFlags(torrents: number, { out, dir, seedAfter }: TargetFlags): void {
  if (out === undefined) return;
  if (torrents > 1) throw new UsageError("--out is for one torrent; use -d to choose a folder for several");
  // Someone may always set the folder by its variable and override it once by --out.
  if (dir !== undefined && dir !== process.env[environmentName("dir")])
    throw new UsageError(`--out and --dir exclude each other; say -o ${join(dir, out)}`);
  if (out === "-" && seedAfter !== undefined)
    throw new UsageError("--seed-after: a file that goes to standard output is not kept to be served");
}

/**
 * The place that the flags mean. `select`: of the torrent's files, the selected ones. Makes missing folders of --dir.
 * Fails with UsageError for a place that cannot take the torrent.
 */
export async function targetOf(
  torrent: Torrent,
  select: readonly number[] | undefined,
  flags: TargetFlags,
): Promise<GetTarget> {
  const { out, dir = "." } = flags;
  if (out === undefined) {
    await makeFolder(dir);
    const target = join(dir, torrent.fileName);
    return { target, shown: target };
  }
  if (out === "-")
    return { target: streamFor(torrent, select, process.stdout, "standard output"), shown: "-" };
  const facts = await stat(out).catch(() => undefined);
  if (facts && !facts.isFile() && !facts.isDirectory())
    return deviceTarget(torrent, select, flags, out, facts);
  const target = torrent.files ? out.replace(/(?<=.)\/+$/, "") : out;
  checkName(out, target, torrent, facts);
  const folder = await stat(dirname(target)).catch(() => undefined);
  if (!folder?.isDirectory())
    throw new UsageError(`--out: ${dirname(target)} is not a folder; make it first, or use -d, which does`);
  return { target, shown: target };
}

function checkName(
  out: string,
  target: string,
  { files, fileName }: Torrent,
  facts: Stats | undefined,
): void {
  if (target.endsWith("/") || (facts?.isDirectory() && !files))
    throw new UsageError(`--out: ${out} names a folder; use -d to download into it`);
  if (target === "" || /^\.{1,2}$/.test(basename(target)) || dirname(target) === target)
    throw new UsageError(`--out: ${out} is no name for ${fileName}; use -d to download into a folder`);
}

/** A character device, such as /dev/null, is written to; what would wait for a reader or is a whole disk is not. */
function deviceTarget(
  torrent: Torrent,
  select: readonly number[] | undefined,
  { seedAfter }: TargetFlags,
  out: string,
  facts: Stats,
): GetTarget {
  if (!facts.isCharacterDevice())
    throw new UsageError(
      `--out: ${out} is a FIFO, a socket or a disk; use -o - and redirect standard output`,
    );
  if (seedAfter !== undefined)
    throw new UsageError(`--seed-after: a file that goes to ${out} is not kept to be served`);
  const stream = createWriteStream(out);
  // The download reports errors while it runs. A later one changes nothing.
  stream.on("error", () => {});
  return { target: streamFor(torrent, select, stream, out), shown: out };
}

function streamFor(
  torrent: Torrent,
  select: readonly number[] | undefined,
  stream: NodeJS.WriteStream | ReturnType<typeof createWriteStream>,
  name: string,
) {
  if (!torrent.files || select?.length === 1) return stream;
  throw new UsageError(`${name} takes no folder; --select one file of it, or use -d`);
}

async function makeFolder(dir: string): Promise<void> {
  try {
    await mkdir(dir, { recursive: true });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code !== "EEXIST" && code !== "ENOTDIR") throw cause;
    throw new UsageError(`--dir: ${dir} is not a folder`, { cause });
  }
}

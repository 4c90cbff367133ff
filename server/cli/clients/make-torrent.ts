import { stat } from "node:fs/promises";
import type { Torrent } from "#core/torrent/torrent.ts";
import { createTorrentFromPath } from "../../peer/stores/source.ts";
import { UsageError } from "../line/exit-code.ts";
import type { CommonOption, Flags } from "../line/options.ts";
import type { Output } from "../line/output.ts";
import { formatBytes } from "../line/units.ts";

type MakeFlags = Flags<CommonOption | "pieceLength" | "comment" | "replicationTarget" | "tracker">;

/** Makes the torrent of a file or folder and shows the progress. Fails with UsageError if the path does not exist. */
export async function makeTorrent(
  path: string,
  flags: MakeFlags,
  out: Output,
  signal: AbortSignal,
): Promise<Torrent> {
  await checkExists(path);
  const picture = out.terminal && !flags.noProgress && !out.json && !out.quiet;
  const torrent = await createTorrentFromPath(path, {
    pieceLength: flags.pieceLength,
    comment: flags.comment,
    replicationTarget: flags.replicationTarget,
    trackers: flags.tracker,
    createdAt: new Date().toISOString().replace(/\.\d+Z$/, "Z"),
    signal,
    onSkipped: (skipped, reason) => out.warn(`left out ${skipped}, which ${reason}`),
    ...(picture && { onProgress: (bytes: number) => out.draw(() => [`hashed ${formatBytes(bytes)}`]) }),
  });
  if (picture) out.erase();
  return torrent;
}

/** Fails with UsageError if there is no file or folder at the path. */
export async function checkExists(path: string): Promise<void> {
  await stat(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== "ENOENT" && cause.code !== "ENOTDIR") throw cause;
    throw new UsageError(`${path} does not exist`, { cause });
  });
}

import { stat } from "node:fs/promises";
import type { Torrent } from "#core/torrent/torrent.ts";
import { createTorrentFromPath } from "../../peer/stores/source.ts";
import { UsageError } from "../line/exit-code.ts";
import { showHashing } from "../line/hashing.ts";
import type { CommonOption, Flags } from "../line/options.ts";
import type { Output } from "../line/output.ts";

type MakeFlags = Flags<
  | CommonOption
  | "bittorrent"
  | "pieceLength"
  | "comment"
  | "replicationTarget"
  | "tracker"
  | "exclude"
  | "followLinks"
>;

/** Makes the torrent of a file or folder and shows the progress. Fails with UsageError if the path does not exist. */
export async function makeTorrent(
  path: string,
  flags: MakeFlags,
  out: Output,
  signal: AbortSignal,
): Promise<Torrent> {
  await checkExists(path);
  const torrent = await createTorrentFromPath(path, {
    bittorrent: flags.bittorrent,
    pieceLength: flags.pieceLength,
    comment: flags.comment,
    replicationTarget: flags.replicationTarget,
    trackers: flags.tracker,
    createdAt: new Date().toISOString().replace(/\.\d+Z$/, "Z"),
    exclude: flags.exclude,
    followLinks: flags.followLinks,
    signal,
    onSkipped: (skipped, reason) => out.warn(`left out ${skipped}, which ${reason}${adviceOn(reason)}`),
    onProgress: showHashing(path, out, flags),
  });
  out.erase();
  return torrent;
}

function adviceOn(reason: string): string {
  return reason === "is a link" ? "; --follow-links shares what it leads to" : "";
}

/** Fails with UsageError if there is no file or folder at the path. */
export async function checkExists(path: string): Promise<void> {
  const facts = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== "ENOENT" && cause.code !== "ENOTDIR") throw cause;
    throw new UsageError(`${path} does not exist`, { cause });
  });
  if (!facts.isFile() && !facts.isDirectory()) throw new UsageError(`${path} is neither a file nor a folder`);
}

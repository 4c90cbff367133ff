import { writeFile } from "node:fs/promises";
import type { Torrent } from "#core/torrent/torrent.ts";
import { torrentText } from "#core/torrent/torrent-json.ts";
import { makeTorrent } from "../clients/make-torrent.ts";
import { warnOfNames } from "../clients/name-warnings.ts";
import { CliError, exitCodeOf } from "../line/exit-code.ts";
import type { Output } from "../line/output.ts";
import { formatBytes, plural } from "../line/units.ts";
import type { VerbInvocation } from "../line/verb-options.ts";

export async function runCreate({ args, flags, out, signal }: VerbInvocation<"create">): Promise<void> {
  const toStdout = flags.createOut === "-";
  if (toStdout) out.freeStdout();
  const torrent = await makeTorrent(args[0]!, flags, out, signal);
  const file = flags.createOut ?? `${torrent.fileName}.json`;
  if (toStdout) process.stdout.write(torrentText(torrent));
  else await write(file, torrentText(torrent));
  sayCreated(torrent, toStdout ? undefined : file, out);
}

async function write(file: string, text: string): Promise<void> {
  await writeFile(file, text).catch((cause: Error) => {
    throw new CliError(exitCodeOf(cause), `cannot write ${file}: ${cause.message}`, { cause });
  });
}

/** Reports a new torrent; `file` is undefined if the torrent was not written to a file. */
export function sayCreated(torrent: Torrent, file: string | undefined, out: Output): void {
  warnOfNames(torrent, out);
  const { fileName, infoHash, pieces } = torrent;
  const { length, pieceLength } = torrent.lengths!;
  out.event(
    "created",
    { file, info_hash: infoHash, file_name: fileName, length, total_pieces: pieces.length },
    `${file ?? fileName}: ${formatBytes(length)} in ${plural(pieces.length, "piece")} of ${formatBytes(pieceLength)}`,
    `info hash ${infoHash}`,
  );
}

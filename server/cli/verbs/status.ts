import { dataDir } from "../clients/data-dir.ts";
import type { CommonOption, Flags } from "../line/options.ts";
import type { Output } from "../line/output.ts";
import { table } from "../line/table.ts";
import { formatBytes, formatDuration } from "../line/units.ts";
import type { VerbInvocation } from "../line/verb-options.ts";
import { type DownloadRecord, readRecords, recordFields, stateNow } from "../records/download-records.ts";

/** Downloads that are printed; --json prints all of them. */
const MAX_SHOWN = 50;

/** Shows the swarm of a torrent if one is given, else this user's downloads. */
export async function runStatus({ args, flags, out, signal }: VerbInvocation<"status">): Promise<void> {
  if (args.length === 0) return showDownloads(flags, out);
  const [{ findTorrent }, { trackersFor }, { showSwarm }] = await Promise.all([
    import("../clients/torrent-source.ts"),
    import("../clients/find-trackers.ts"),
    import("../clients/swarm-status.ts"),
  ]);
  const found = await findTorrent(args[0]!, flags, signal);
  await showSwarm(found.torrent, await trackersFor(found, flags, out, signal), flags, out, signal);
}

async function showDownloads(flags: Flags<CommonOption>, out: Output): Promise<void> {
  const records = await readRecords(dataDir(flags));
  if (out.json) for (const record of records) out.event("download", downloadFields(record));
  else if (records.length === 0) out.note(`There is no record of a download in ${dataDir(flags)}.`);
  else out.text(...linesOf(records));
}

function downloadFields(record: DownloadRecord) {
  const { pid, heldPieces, totalPieces } = record;
  return { ...recordFields(record), pid, held_pieces: heldPieces, total_pieces: totalPieces };
}

function linesOf(records: readonly DownloadRecord[]): string[] {
  const shown = records
    .slice(0, MAX_SHOWN)
    .map((record) => [
      stateNow(record),
      `${Math.floor((100 * record.heldPieces) / record.totalPieces)} %`,
      formatBytes(record.totalBytes),
      `${formatDuration(Math.max(0, Date.now() - Date.parse(record.updatedAt)))} ago`,
      record.target === "-" ? `${record.fileName} to standard output` : record.target,
    ]);
  const lines = table([["STATE", "HELD", "SIZE", "SEEN", "FILE"], ...shown], [1, 2, 3]);
  if (records.length > MAX_SHOWN) lines.push(`and ${records.length - MAX_SHOWN} more`);
  return lines;
}

import type { Torrent } from "#core/torrent/torrent.ts";
import { table } from "../line/table.ts";
import { formatBytes, plural } from "../line/units.ts";

/** Files that are listed; a folder may have thousands. */
const MAX_FILES_SHOWN = 100;

/** A torrent as lines of text for `pieza info`. */
export function describeTorrent(torrent: Torrent): string[] {
  const { lengths, files = [] } = torrent;
  const pieces = plural(torrent.pieces.length, "piece");
  const rows: [string, string | undefined][] = [
    ["name", torrent.fileName],
    ["size", lengths ? `${formatBytes(lengths.length)} (${lengths.length} bytes)` : "not stated"],
    ["pieces", lengths ? `${pieces} of ${formatBytes(lengths.pieceLength)}` : pieces],
    ["info hash", torrent.infoHash],
    [
      "trackers",
      torrent.trackers.length > 0
        ? torrent.trackers.join(", ")
        : "none in the torrent; the catalog names them",
    ],
    ["comment", torrent.comment],
    ["created", torrent.createdAt],
    ["copies wanted", torrent.replicationTarget?.toString()],
    ["files", torrent.files && String(files.length)],
  ];
  const lines = rows.flatMap(([label, value]) =>
    value === undefined ? [] : [`${`${label}:`.padEnd(15)}${value}`],
  );
  const shown = files.slice(0, MAX_FILES_SHOWN);
  const fileRows = shown.map(({ path, length }, n) => [String(n + 1), formatBytes(length), path]);
  lines.push(...table(fileRows, [0, 1]).map((line) => `  ${line}`));
  if (files.length > shown.length) lines.push(`  and ${files.length - shown.length} more`);
  return lines;
}

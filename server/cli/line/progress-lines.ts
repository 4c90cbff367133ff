import { type DownloadSnapshot, type PeerSnapshot, PieceMap } from "#core/download/snapshot.ts";
import { table, truncate } from "./table.ts";
import { formatBytes, formatDuration, formatRate, formatSeconds, plural } from "./units.ts";

/** A cell of which no piece is held, but one is in flight. */
const IN_FLIGHT = "·";
/** Peers that are listed; further peers are only counted. */
const MAX_PEERS_SHOWN = 8;
/** From no piece of a cell held to every piece held. */
const FILLS = [" ", "░", "▒", "▓", "█"];
/** Colours of peers, from the 256 of terminals. They also differ in lightness. */
const COLOURS = [39, 208, 78, 213, 226, 141, 51, 203];

/** The area for a picture on a terminal. */
export interface Canvas {
  readonly columns: number;
  readonly colour: boolean;
}

/** A part of a line in a colour, one of the 256 of terminals. */
export interface Coloured {
  readonly text: string;
  readonly colour: number;
}

/** A line of a picture. Whoever draws it makes its texts printable, and adds the colours after that. */
export type PictureLine = string | readonly (string | Coloured)[];

/** A download as lines, none wider than the terminal. */
export function progressLines(
  name: string,
  snapshot: DownloadSnapshot,
  etaMs: number | undefined,
  canvas: Canvas,
): PictureLine[] {
  const lines: PictureLine[] = [
    truncate(headLine(name, snapshot, etaMs), canvas.columns - 1),
    pieceBar(snapshot, canvas),
  ];
  if (snapshot.reason) lines.push(truncate(`  ${snapshot.reason}`, canvas.columns - 1));
  const shown = snapshot.peers.slice(0, MAX_PEERS_SHOWN);
  lines.push(...peerLines(shown, canvas));
  const hidden = snapshot.peers.length - shown.length;
  if (hidden > 0) lines.push(`  and ${plural(hidden, "more peer")}`);
  return lines;
}

/** A download as one line of text. */
export function headLine(name: string, snapshot: DownloadSnapshot, etaMs: number | undefined): string {
  const { heldBytes, totalBytes, state } = snapshot;
  const parts = [name, percent(snapshot), `${formatBytes(heldBytes)} of ${formatBytes(totalBytes)}`];
  if (state !== "downloading") return [...parts, state].join("  ");
  parts.push(formatRate(snapshot.rate));
  if (etaMs !== undefined) parts.push(`${formatSeconds(etaMs)} left`);
  parts.push(plural(snapshot.peers.filter(({ state }) => state === "active").length, "peer"));
  return parts.join("  ");
}

/** A whole percentage; 100 only if every piece is held. */
function percent({ heldPieces, totalPieces, heldBytes, totalBytes }: DownloadSnapshot): string {
  const share = totalBytes > 0 ? heldBytes / totalBytes : heldPieces / totalPieces;
  const whole = heldPieces === totalPieces ? 100 : Math.min(99, Math.floor(100 * share));
  return `${whole.toString().padStart(3)} %`;
}

/**
 * The pieces in order as a row of cells; a cell stands for several pieces, or several cells for one. A cell's fill
 * shows the share of its pieces that is held, its colour the peer that sent most of them. A dot means that one is in
 * flight.
 */
export function pieceBar({ pieceMap }: DownloadSnapshot, canvas: Canvas): PictureLine {
  const cells = Math.max(1, canvas.columns - 5);
  const bar: (string | Coloured)[] = ["  ▕"];
  for (let cell = 0; cell < cells; cell++) {
    const first = Math.floor((cell * pieceMap.length) / cells);
    const last = Math.max(first + 1, Math.floor(((cell + 1) * pieceMap.length) / cells));
    bar.push(cellOf(pieceMap.subarray(first, last), canvas.colour));
  }
  return [...bar, "▏"];
}

function cellOf(entries: Uint16Array, colour: boolean): string | Coloured {
  const bySlot = new Map<number, number>();
  let held = 0;
  for (const entry of entries) {
    if (!PieceMap.isHeld(entry)) continue;
    held++;
    bySlot.set(PieceMap.slotOf(entry), (bySlot.get(PieceMap.slotOf(entry)) ?? 0) + 1);
  }
  if (held === 0) return entries.some((entry) => PieceMap.slotOf(entry) >= 0) ? IN_FLIGHT : " ";
  const fill = FILLS[Math.ceil((held / entries.length) * (FILLS.length - 1))]!;
  const most = [...bySlot].sort((a, b) => b[1] - a[1])[0]?.[0] ?? -1;
  return colour && most >= 0 ? coloured(fill, most) : fill;
}

/** A line for each peer, with its colour in the bar. */
function peerLines(peers: readonly PeerSnapshot[], canvas: Canvas): PictureLine[] {
  const rows = peers.map(({ url, servedPieces, state, rate, reason }) => [
    url,
    plural(servedPieces, "piece"),
    `${state === "active" ? formatRate(rate) : state}${reason ? `: ${reason}` : ""}`,
  ]);
  return table(rows, [1]).map((text, n) => {
    const mark = canvas.colour ? coloured("█", peers[n]!.slot) : "-";
    return ["  ", mark, ` ${truncate(text, canvas.columns - 5)}`];
  });
}

function coloured(text: string, slot: number): Coloured {
  return { text, colour: COLOURS[slot % COLOURS.length]! };
}

/** The last line of a finished download. `reusedBytes`: of pieces that were found on this machine. */
export function doneLine(path: string, snapshot: DownloadSnapshot, reusedBytes = 0): string {
  const { totalBytes, downloadedBytes, elapsedMs, wastedBytes, peers } = snapshot;
  const used = peers.filter(({ servedPieces }) => servedPieces > 0).length;
  const before = totalBytes - downloadedBytes - reusedBytes;
  const parts = [`${formatBytes(totalBytes)} in ${formatDuration(elapsedMs)}`];
  if (elapsedMs > 0 && downloadedBytes > 0) parts.push(formatRate((downloadedBytes * 1000) / elapsedMs));
  parts.push(`from ${plural(used, "peer")}`);
  if (reusedBytes > 0) parts.push(`${formatBytes(reusedBytes)} reused`);
  if (before > 0) parts.push(`${formatBytes(before)} had been downloaded before`);
  parts.push(`${formatBytes(wastedBytes)} wasted`);
  return `${path}: ${parts.join(", ")}`;
}

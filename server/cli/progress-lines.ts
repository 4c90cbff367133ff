import { type DownloadSnapshot, type PeerSnapshot, PieceMap } from "#core/snapshot.ts";
import { truncate } from "./table.ts";
import { formatBytes, formatDuration, formatRate, plural, printable } from "./units.ts";

/** More peers than this are counted, not listed. */
const MAX_PEERS_SHOWN = 8;
/** From nothing to all of a cell's pieces. */
const FILLS = [" ", "░", "▒", "▓", "█"];
/** One of the 256 colours of terminals for each peer; they differ in lightness too. */
const COLOURS = [39, 208, 78, 213, 226, 141, 51, 203];

/** How the picture is drawn. */
export interface Canvas {
  /** Columns of the terminal. */
  readonly columns: number;
  readonly colour: boolean;
}

/** A download as a few lines of text, none wider than the terminal. */
export function progressLines(
  name: string,
  snapshot: DownloadSnapshot,
  etaMs: number | undefined,
  canvas: Canvas,
): string[] {
  const lines = [truncate(headLine(name, snapshot, etaMs), canvas.columns - 1), pieceBar(snapshot, canvas)];
  if (snapshot.reason) lines.push(truncate(`  ${printable(snapshot.reason)}`, canvas.columns - 1));
  const shown = snapshot.peers.slice(0, MAX_PEERS_SHOWN);
  lines.push(...shown.map((peer) => peerLine(peer, canvas)));
  const hidden = snapshot.peers.length - shown.length;
  if (hidden > 0) lines.push(`  and ${plural(hidden, "more peer")}`);
  return lines;
}

/** One line that says it all, for logs. */
export function headLine(name: string, snapshot: DownloadSnapshot, etaMs: number | undefined): string {
  const { heldBytes, totalBytes, state } = snapshot;
  const parts = [
    printable(name),
    percent(snapshot),
    `${formatBytes(heldBytes)} of ${formatBytes(totalBytes)}`,
  ];
  if (state !== "downloading") return [...parts, state].join("  ");
  parts.push(formatRate(snapshot.rate));
  if (etaMs !== undefined) parts.push(`${formatDuration(Math.ceil(etaMs / 1000) * 1000)} left`);
  parts.push(plural(snapshot.peers.filter(({ inFlight }) => inFlight > 0).length, "peer"));
  return parts.join("  ");
}

/** Whole percents, 100 only when every piece is held. */
function percent({ heldPieces, totalPieces, heldBytes, totalBytes }: DownloadSnapshot): string {
  const share = totalBytes > 0 ? heldBytes / totalBytes : heldPieces / totalPieces;
  return `${heldPieces === totalPieces ? 100 : Math.min(99, Math.floor(100 * share))} %`;
}

/** Every piece in order, many to a cell: how full a cell is says how many are held, its colour who sent most of them. */
export function pieceBar({ pieceMap }: DownloadSnapshot, canvas: Canvas): string {
  const cells = Math.max(1, canvas.columns - 5);
  let bar = "";
  for (let cell = 0; cell < cells; cell++) {
    const first = Math.floor((cell * pieceMap.length) / cells);
    const last = Math.max(first + 1, Math.floor(((cell + 1) * pieceMap.length) / cells));
    bar += cellOf(pieceMap.subarray(first, last), canvas.colour);
  }
  return `  ▕${bar}▏`;
}

function cellOf(entries: Uint16Array, colour: boolean): string {
  const bySlot = new Map<number, number>();
  let held = 0;
  for (const entry of entries) {
    if (!PieceMap.isHeld(entry)) continue;
    held++;
    bySlot.set(PieceMap.slotOf(entry), (bySlot.get(PieceMap.slotOf(entry)) ?? 0) + 1);
  }
  const fill = FILLS[Math.ceil((held / entries.length) * (FILLS.length - 1))]!;
  const most = [...bySlot].sort((a, b) => b[1] - a[1])[0]?.[0] ?? -1;
  return colour && most >= 0 ? coloured(fill, most) : fill;
}

function peerLine(peer: PeerSnapshot, canvas: Canvas): string {
  const doing = peer.state === "active" ? formatRate(peer.rate) : peer.state;
  const reason = peer.reason ? `: ${printable(peer.reason)}` : "";
  const text = `${peer.url}  ${plural(peer.servedPieces, "piece")}  ${doing}${reason}`;
  const mark = canvas.colour ? coloured("█", peer.slot) : "-";
  return `  ${mark} ${truncate(text, canvas.columns - 5)}`;
}

function coloured(text: string, slot: number): string {
  return `\x1b[38;5;${COLOURS[slot % COLOURS.length]}m${text}\x1b[39m`;
}

/** What a finished download says, in one line. */
export function doneLine(path: string, snapshot: DownloadSnapshot): string {
  const { totalBytes, downloadedBytes, elapsedMs, wastedBytes, peers } = snapshot;
  const used = peers.filter(({ servedPieces }) => servedPieces > 0).length;
  const before = totalBytes - downloadedBytes;
  const parts = [`${formatBytes(totalBytes)} in ${formatDuration(elapsedMs)}`];
  if (elapsedMs > 0 && downloadedBytes > 0) parts.push(formatRate((downloadedBytes * 1000) / elapsedMs));
  parts.push(`from ${plural(used, "peer")}`);
  if (before > 0) parts.push(`${formatBytes(before)} were here before`);
  parts.push(`${formatBytes(wastedBytes)} wasted`);
  return `${path}: ${parts.join(", ")}`;
}

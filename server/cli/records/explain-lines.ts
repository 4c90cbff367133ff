import {
  ASKED,
  type Doing,
  type DownloadAccount,
  type PeerAccount,
  type Verdict,
  type WhyNot,
  whyNotWords,
} from "#core/download/explain.ts";
import { table } from "../line/table.ts";
import { formatBytes, formatDuration, formatRate, plural } from "../line/units.ts";
import { type DownloadRecord, type LiveState, stateNow } from "./download-records.ts";

/** Pieces that are listed without --verbose. */
const SLOWEST_SHOWN = 5;

const doingWords: Record<Doing, string> = {
  tracker: "asking the tracker",
  connecting: "connecting to peers",
  downloading: "receiving pieces",
  limited: "held back by --limit-download",
  blocked: "waiting for the reader of the output",
  waiting: "waiting for peers",
  paused: "paused",
  finishing: "flushing and renaming the file",
};

const verdictWords: Record<Verdict, string> = {
  good: "served well",
  slow: "much slower than the others",
  failed: "failed",
  lied: "sent a wrong piece: banned",
  skipped: "could not be used",
  unused: "was not needed",
};

/** A record as lines of text; `everyPiece` lists all pieces instead of the slowest. */
export function explainLines(record: DownloadRecord, everyPiece: boolean): string[] {
  const { account } = record;
  const lines = [...headLines(record), "", "Where the time went", ...timeLines(account)];
  if (account.peers.length === 0) {
    lines.push("", account.trackerProblem || "No tracker named a peer.", ...badUrlLines(account));
    return lines;
  }
  const stories = account.peers.flatMap((peer) => storyOf(peer, account));
  lines.push(
    "",
    ...peerTable(account),
    ...badUrlLines(account),
    ...(stories.length > 0 ? ["", ...stories] : []),
  );
  return [...lines, "", ...pieceLines(account, everyPiece)];
}

function headLines(record: DownloadRecord): string[] {
  const { account, heldBytes, totalBytes, downloadedBytes, wastedBytes } = record;
  const state: LiveState = stateNow(record);
  const used = account.peers.filter(({ servedPieces }) => servedPieces > 0).length;
  const rate = account.elapsedMs > 0 ? (downloadedBytes * 1000) / account.elapsedMs : 0;
  const reason = record.reason === "" ? "" : `: ${record.reason}`;
  return [
    `${record.fileName}, ${state}${reason}`,
    `  ${record.target}`,
    `  ${formatBytes(heldBytes)} of ${formatBytes(totalBytes)}, ${formatBytes(downloadedBytes)} of them in ` +
      `${formatDuration(account.elapsedMs)} (${formatRate(rate)}) from ${used} of ${plural(account.peers.length, "peer")}, ` +
      `${formatBytes(wastedBytes)} wasted`,
  ];
}

function timeLines({ spentMs, requestMs, elapsedMs, peers }: DownloadAccount): string[] {
  const rows = (Object.keys(doingWords) as Doing[])
    .filter((doing) => spentMs[doing] > 0)
    .map((doing) => [`  ${doingWords[doing]}`, brief(spentMs[doing]), share(spentMs[doing], elapsedMs)]);
  // Older records lack `peerLimit` and `peerRead`.
  const { firstByte, peerLimit = 0, peerRead = 0, transfer, hashing, disk } = requestMs;
  const all = firstByte + transfer + hashing + disk;
  const lines = table(rows, [1, 2]);
  if (all === 0) return lines;
  const parts = {
    "first byte": firstByte - peerLimit - peerRead,
    ...(peerLimit > 0 && { "held back by the peer": peerLimit }),
    ...(peerRead > 0 && { "read by the peer": peerRead }),
    ...{ transfer, hashing, disk },
  };
  const shares = Object.entries(parts).map(([name, ms]) => `${name} ${share(ms, all)}`);
  lines.push(`  share of a request: ${shares.join(", ")}`);
  if (peers.some(({ transport, servedPieces }) => transport !== "connect" && servedPieces > 0)) {
    lines.push(
      "  (over gRPC a piece arrives as a whole, so its transfer counts as waiting for the first byte)",
    );
  }
  return lines;
}

function badUrlLines({ badUrls = 0 }: DownloadAccount): string[] {
  if (badUrls === 0) return [];
  const have = badUrls === 1 ? "has no valid URL and was" : "have no valid URL and were";
  return [`${plural(badUrls, "peer")} that the tracker named ${have} left out`];
}

function peerTable({ peers }: DownloadAccount): string[] {
  const rows = peers.map((peer) => [
    peer.url,
    peer.transport,
    String(peer.servedPieces),
    formatBytes(peer.servedBytes),
    peer.servedPieces > 0 ? formatRate(peer.rate) : "",
    peer.connectMs === undefined ? "" : brief(peer.connectMs),
    peer.firstByteMs === undefined ? "" : brief(peer.firstByteMs),
    verdictWords[peer.verdict],
  ]);
  return table(
    [["PEER", "TRANSPORT", "PIECES", "BYTES", "RATE", "CONNECT", "FIRST BYTE", "VERDICT"], ...rows],
    [2, 3, 4, 5, 6],
  );
}

/** The problems of a peer as lines of text; empty for a peer that had none. */
function storyOf(peer: PeerAccount, account: DownloadAccount): string[] {
  const facts: string[] = [];
  if (peer.reason) facts.push(`${peer.state}: ${peer.reason}`);
  const ownTime = ownTimeOf(peer);
  if (ownTime) facts.push(ownTime);
  if (peer.failures > 0) facts.push(plural(peer.failures, "failure"));
  if (peer.refused > 0) facts.push(`refused ${plural(peer.refused, "request")} because it was busy`);
  if (peer.overtaken > 0) facts.push(`${plural(peer.overtaken, "request")} that another peer answered first`);
  const passed = [...passedOver(peer.slot, account)];
  if (passed.length > 0) facts.push("others were asked instead");
  const why = passed.map(([letter, count]) => `    ${plural(count, "time")} because it ${sentence(letter)}`);
  if (facts.length === 0) return [];
  const notes = peer.notes.map(({ atMs, text }) => `    at ${brief(atMs)}  ${text}`);
  return [`${peer.url} ${verdictWords[peer.verdict]}`, ...facts.map((fact) => `  ${fact}`), ...why, ...notes];
}

/** The parts of the time to the first byte that the peer spent itself, if they are large; else empty. */
function ownTimeOf({ firstByteMs = 0, limitMs = 0, readMs = 0 }: PeerAccount): string {
  const parts: string[] = [];
  if (isLarge(limitMs, firstByteMs)) parts.push(`${brief(limitMs)} held back by its own limits`);
  if (isLarge(readMs, firstByteMs)) parts.push(`${brief(readMs)} reading its disk`);
  return parts.length > 0
    ? `of ${brief(firstByteMs)} to the first byte, the peer reports ${parts.join(" and ")}`
    : "";
}

/** At least 5 ms and a fifth of the whole. */
function isLarge(partMs: number, wholeMs: number): boolean {
  return partMs >= 5 && partMs >= wholeMs / 5;
}

function sentence(letter: WhyNot): string {
  if (letter === "o") return "was not the first choice";
  return `${["s", "w", "x", "k"].includes(letter) ? "was " : ""}${whyNotWords[letter]}`;
}

/** How often another peer was asked for a piece instead of this one, by reason, the most frequent first. */
export function passedOver(slot: number, { pieces }: DownloadAccount): Map<WhyNot, number> {
  const counts = new Map<WhyNot, number>();
  for (const others of pieces.others) {
    const letter = others[slot];
    if (letter === undefined || letter === ASKED) continue;
    counts.set(letter as WhyNot, (counts.get(letter as WhyNot) ?? 0) + 1);
  }
  return new Map([...counts].sort((a, b) => b[1] - a[1]));
}

function pieceLines(account: DownloadAccount, everyPiece: boolean): string[] {
  const { pieces, peers } = account;
  const received = [...pieces.from.keys()].filter((index) => pieces.from[index]! >= 0);
  const shown = everyPiece
    ? received
    : received.sort((a, b) => pieces.tookMs[b]! - pieces.tookMs[a]!).slice(0, SLOWEST_SHOWN);
  if (shown.length === 0) return ["No piece has been received yet."];
  const rows = shown.map((index) => [
    String(index + 1),
    peers[pieces.from[index]!]?.url ?? "",
    brief(pieces.askedAtMs[index]!),
    brief(pieces.firstByteMs[index]!),
    brief(pieces.tookMs[index]!),
    String(pieces.requests[index]),
    othersOf(pieces.others[index]!, account),
  ]);
  const head = ["PIECE", "FROM", "ASKED AT", "FIRST BYTE", "TOOK", "REQUESTS", "WHY NOT ANOTHER"];
  const lines = table([head, ...rows], [0, 2, 3, 4, 5]);
  return everyPiece ? lines : ["The slowest pieces (-v lists all pieces)", ...lines];
}

/** The other peers by the reason that they were not asked: "10.0.0.1:50051 10.0.0.2:50051: busy". */
function othersOf(others: string, { peers }: DownloadAccount): string {
  const byLetter = new Map<WhyNot, string[]>();
  for (const [slot, letter] of [...others].entries()) {
    if (letter === ASKED) continue;
    const urls = byLetter.get(letter as WhyNot) ?? [];
    byLetter.set(letter as WhyNot, [...urls, hostOf(peers[slot]?.url ?? "")]);
  }
  return [...byLetter].map(([letter, hosts]) => `${hosts.join(" ")}: ${whyNotWords[letter]}`).join("; ");
}

function hostOf(url: string): string {
  return url.replace(/^https?:\/\//, "");
}

/** A time in ms below a second, else as formatDuration writes it. */
function brief(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : formatDuration(ms);
}

function share(part: number, whole: number): string {
  return `${Math.round((100 * part) / Math.max(whole, 1e-9))} %`;
}

import type { DownloadSnapshot } from "#core/download/snapshot.ts";
import type { Words } from "../base/en.ts";
import type { Formats } from "../base/format.ts";
import type { Stage, TabDownload } from "../base/messages.ts";
import type { ShownTrouble } from "../base/trouble.ts";

export type ShownState = keyof Words["state"];

/** The word for the state of a download: that of the engine while the stage is "open", else that of the stage. */
export function shownState(stage: Stage, snapshot: DownloadSnapshot | undefined): ShownState {
  switch (stage.kind) {
    case "open":
      return snapshot?.state ?? "opening";
    case "too large":
      return "tooLarge";
    case "learning":
      return stage.reason ? "waiting" : "starting";
    default:
      return stage.kind;
  }
}

/** The text under the name of a download. */
export interface StatusText {
  readonly facts: readonly string[];
  /** The page's own reason for waiting or stopping; empty if there is none. */
  readonly explanation: string;
  /** The engine's reason for waiting or stopping. */
  readonly fromEngine?: { readonly trouble: ShownTrouble | undefined; readonly text: string };
}

export function statusTextOf(
  record: TabDownload,
  snapshot: DownloadSnapshot | undefined,
  words: Words,
  format: Formats,
): StatusText {
  if (record.stage.kind === "open" && snapshot) {
    const { reason: text, trouble } = snapshot;
    const facts = [...factsOf(snapshot, words, format), ...selectionFacts(record, words, format)];
    return { facts, explanation: "", fromEngine: { trouble, text } };
  }
  const size = record.torrent.length;
  const facts = size === undefined ? [] : [format.bytes(size)];
  const { stage } = record;
  if (stage.kind === "learning" || stage.kind === "broken")
    return { facts, explanation: "", fromEngine: { trouble: stage.trouble, text: stage.reason } };
  return { facts, explanation: stageExplained(record, words, format) };
}

function factsOf(snapshot: DownloadSnapshot, words: Words, format: Formats): string[] {
  const { state, heldBytes, totalBytes, totalPieces, rate, etaMs, elapsedMs, downloadedBytes } = snapshot;
  if (state === "complete") {
    const took = downloadedBytes > 0 ? ` ${words.took(format.duration(elapsedMs))}` : "";
    return [
      `${format.bytes(totalBytes)}${took}`,
      words.allVerified(format.count(totalPieces), totalPieces === 1),
    ];
  }
  const facts = [
    format.percent(heldBytes / Math.max(1, totalBytes)),
    words.of(format.bytes(heldBytes), format.bytes(totalBytes)),
  ];
  if (state === "downloading") facts.push(format.rate(rate));
  if (state === "downloading" && etaMs !== undefined)
    facts.push(words.left(format.duration(Math.ceil(etaMs / 1000) * 1000)));
  return facts;
}

function selectionFacts({ selected, torrent }: TabDownload, words: Words, format: Formats): string[] {
  if (!selected) return [];
  return [words.filesOf(format.count(selected.length), format.count(torrent.fileCount))];
}

function stageExplained({ stage }: TabDownload, words: Words, format: Formats): string {
  switch (stage.kind) {
    case "opening":
      return words.openingWhy;
    case "elsewhere":
      return words.elsewhereWhy;
    case "too large":
      return tooLargeExplained(stage, words, format);
    default:
      return "";
  }
}

function tooLargeExplained(
  { neededBytes, availableBytes, memory }: Stage & { kind: "too large" },
  words: Words,
  format: Formats,
): string {
  const needed = format.bytes(neededBytes);
  if (availableBytes === undefined) return words.tooLargeRefused(needed);
  const available = format.bytes(availableBytes);
  return memory ? words.tooLargeMemory(available) : words.tooLargeDisk(needed, available);
}

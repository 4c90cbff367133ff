import type { Words } from "../base/en.ts";
import type { Formats } from "../base/format.ts";
import type { PublicationRecord } from "../base/messages.ts";
import { type ShownTrouble, uploadTrouble } from "../base/trouble.ts";

/** The facts beside the state of a publication. */
export function publicationFacts(record: PublicationRecord, words: Words, format: Formats): string[] {
  const { stage, length, totalPieces = 0, fileCount } = record;
  const size = format.bytes(length);
  const files = fileCount > 0 ? [words.files(format.count(fileCount), fileCount === 1)] : [];
  switch (stage.kind) {
    case "hashing":
      return [words.of(format.bytes(stage.bytes), size), ...files];
    case "storing":
      return [words.piecesOf(format.count(stage.pieces), format.count(totalPieces)), size, ...files];
    default:
      return [size, ...files];
  }
}

/** Progress of hashing or storing, 0 to 1; undefined in other stages. */
export function publicationFraction({ stage, length, totalPieces }: PublicationRecord): number | undefined {
  if (stage.kind === "hashing") return stage.bytes / Math.max(1, length);
  if (stage.kind === "storing") return stage.pieces / Math.max(1, totalPieces ?? 1);
  return undefined;
}

/** What an upload lacks: a peer that takes uploads, or options of one that is there. */
export type UploadNeed = "peer" | "options";

/** Troubles of a peer that end when it is started with other options. */
const WRONG_OPTIONS: ReadonlySet<ShownTrouble | undefined> = new Set([
  "insecure_peer",
  "other_catalog",
  "other_token",
  "page_kept_out",
  "takes_no_uploads",
] as const);

/** What the publication lacks, if the operator of the catalog can help it. */
export function uploadNeedOf({ stage }: PublicationRecord): UploadNeed | undefined {
  if (stage.kind !== "unstored") return undefined;
  if (stage.failure?.trouble === "no_upload_peer") return "peer";
  const troubles = [stage.failure?.trouble, ...stage.peers.map(uploadTrouble)];
  return troubles.some((trouble) => WRONG_OPTIONS.has(trouble)) ? "options" : undefined;
}

/** Proposes a free name: "notes.txt" becomes "notes (2).txt", and that becomes "notes (3).txt". */
export function nextName(name: string): string {
  const [, stem = name, extension = ""] = /^(.+?)(\.[^.]*)?$/s.exec(name) ?? [];
  const [, before = stem, number = "1"] = /^(.*) \((\d{1,6})\)$/s.exec(stem) ?? [];
  return `${before} (${Number(number) + 1})${extension}`;
}

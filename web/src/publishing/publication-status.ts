import type { Words } from "../base/en.ts";
import type { Formats } from "../base/format.ts";
import type { PublicationRecord } from "../base/messages.ts";

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

/** Proposes a free name: "notes.txt" becomes "notes (2).txt", and that becomes "notes (3).txt". */
export function nextName(name: string): string {
  const [, stem = name, extension = ""] = /^(.+?)(\.[^.]*)?$/s.exec(name) ?? [];
  const [, before = stem, number = "1"] = /^(.*) \((\d{1,6})\)$/s.exec(stem) ?? [];
  return `${before} (${Number(number) + 1})${extension}`;
}

import type { Bitfield } from "#core/base/bitfield.ts";
import type { JournalFile } from "./journal.ts";
import type { PartFiles } from "./part-files.ts";
import { findRight, type PieceCheck } from "./piece-check.ts";

/** Pieces that lie on this machine already, and the working files that take them. */
export interface Reuse {
  /** The pieces that are sought. */
  readonly missing: Bitfield;
  /** Files of the torrent's names, of any content, in the order in which they are looked at. */
  readonly sources: readonly PartFiles[];
  /** Pieces known to be right in files that are in their final place. */
  readonly inPlace: ReadonlySet<number>;
  readonly files: PartFiles;
  readonly journal: JournalFile;
}

/**
 * Copies every missing piece that one of the sources has with the right hash, and records it as "written". Returns the
 * indices of these pieces. A source that cannot be read is passed over; fails with StoreFailed if the copy cannot be
 * written.
 */
export async function reuse(
  check: PieceCheck,
  { missing, sources, inPlace, files, journal }: Reuse,
): Promise<number[]> {
  const found: number[] = [];
  for (const index of missing) {
    if (!inPlace.has(index)) {
      const bytes = await firstRight(check, sources, index);
      if (!bytes) continue;
      files.fill(check.geometry.offset(check.geometry.index(index)), bytes);
    }
    journal.append("written", [index]);
    found.push(index);
  }
  return found;
}

async function firstRight(
  check: PieceCheck,
  sources: readonly PartFiles[],
  index: number,
): Promise<Uint8Array | undefined> {
  for (const source of sources) {
    const bytes = await findRight(check, source, index);
    if (bytes) return bytes;
  }
  return undefined;
}

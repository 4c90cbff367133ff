import type { Random } from "#core/base/clock.ts";
import type { JournalState } from "#core/ports/journal.ts";

/** Durable pieces that are hashed again at every start. One wrong hash makes all durable pieces suspect. */
const SAMPLED_PIECES = 16;

export interface Resumed {
  /** Pieces that are there, in ascending order. */
  readonly held: number[];
  /** Pieces of `held` that were recorded only as "written": they may not have reached the disk. */
  readonly unsynced: number[];
  /** Pieces that the journal names and that are not there. */
  readonly lost: number[];
}

/**
 * Decides after a restart which pieces of the journal to trust. A power cut may have lost bytes that were only
 * "written", so those pieces are always hashed again. Durable pieces are trusted if the files have their sizes and a
 * sample has the right hashes; otherwise all of them are hashed again.
 */
export async function resume(
  state: JournalState,
  sizesRight: boolean,
  check: (index: number) => Promise<boolean>,
  random: Random,
): Promise<Resumed> {
  const durable = [...state.pieces].filter(([, kind]) => kind === "durable").map(([index]) => index);
  const trusted = sizesRight && (await sampleHolds(durable, check, random)) ? new Set(durable) : new Set();
  const resumed: Resumed = { held: [], unsynced: [], lost: [] };
  for (const [index, kind] of [...state.pieces].sort(([a], [b]) => a - b)) {
    if (!trusted.has(index) && !(await check(index))) {
      resumed.lost.push(index);
      continue;
    }
    resumed.held.push(index);
    if (kind === "written") resumed.unsynced.push(index);
  }
  return resumed;
}

async function sampleHolds(
  indices: readonly number[],
  check: (index: number) => Promise<boolean>,
  random: Random,
): Promise<boolean> {
  for (let n = 0; n < Math.min(SAMPLED_PIECES, indices.length); n++) {
    const few = indices.length <= SAMPLED_PIECES;
    if (!(await check(indices[few ? n : Math.floor(random() * indices.length)]!))) return false;
  }
  return true;
}

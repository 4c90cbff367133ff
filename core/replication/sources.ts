import { hashOfText, rendezvousScore } from "../base/rendezvous.ts";
import { MAX_SOURCES } from "../ports/tracker.ts";
import type { PlanPeer } from "./input.ts";
import { countBits, type PieceWords } from "./words.ts";

/** A draining peer gets no new downloaders, so it has time for this many times the orders of another peer. */
const DRAINING_FACTOR = 4;

/** A peer that an order may name as a source. */
export interface CopySource extends PlanPeer {
  readonly draining: boolean;
  readonly words: PieceWords;
  /** Orders that the peer serves already. */
  served: number;
}

export interface PickedSources {
  /** Best first; at most MAX_SOURCES. */
  readonly chosen: readonly CopySource[];
  /** The wanted pieces that the chosen peers have together. */
  readonly covered: PieceWords;
}

/** Whether the peer may serve one more order. */
export function hasTime({ served, draining }: CopySource, maxOrdersPerPeer: number): boolean {
  return served < maxOrdersPerPeer * (draining ? DRAINING_FACTOR : 1);
}

/** Chooses few peers that have the wanted pieces, preferring peers that serve little and have much. */
export function pickSources(
  wanted: PieceWords,
  sources: readonly CopySource[],
  copier: string,
  maxOrdersPerPeer: number,
): PickedSources {
  const places: number[] = [];
  for (let at = 0; at < wanted.length; at++) if (wanted[at] !== 0) places.push(at);
  const left = wanted.slice();
  const chosen: CopySource[] = [];
  const thing = hashOfText(copier);
  while (chosen.length < MAX_SOURCES) {
    const best = bestSource(left, places, sources, { thing, maxOrdersPerPeer });
    if (!best) break;
    chosen.push(best);
    for (const at of places) left[at]! &= ~best.words[at]!;
  }
  const covered = wanted.slice();
  for (const at of places) covered[at]! &= ~left[at]!;
  return { chosen, covered };
}

/** A chosen peer has none of the pieces that are left, so no peer is chosen twice. */
function bestSource(
  left: PieceWords,
  places: readonly number[],
  sources: readonly CopySource[],
  { thing, maxOrdersPerPeer }: { thing: number; maxOrdersPerPeer: number },
): CopySource | undefined {
  let best: CopySource | undefined;
  let bestValue = 0;
  let bestScore = 0;
  for (const source of sources) {
    if (!hasTime(source, maxOrdersPerPeer)) continue;
    let gain = 0;
    for (const at of places) gain += countBits(left[at]! & source.words[at]!);
    const value = gain / (1 + source.served);
    if (value === 0 || value < bestValue) continue;
    const score = rendezvousScore(thing, hashOfText(source.url));
    if (value === bestValue && score <= bestScore) continue;
    best = source;
    bestValue = value;
    bestScore = score;
  }
  return best;
}

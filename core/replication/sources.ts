import { hashOfText, rendezvousScore } from "../base/rendezvous.ts";
import { countBits, type PieceWords } from "./words.ts";

/** As the wire bounds them. */
const MAX_SOURCES = 8;
/** A peer that drains is named to nobody else any more: it has time for so many times the orders of another. */
const DRAINING_FACTOR = 4;

/** A peer that an order may name. */
export interface Source {
  readonly leaseId: string;
  readonly url: string;
  readonly zone: string;
  readonly draining: boolean;
  readonly words: PieceWords;
  /** Orders that it serves already. */
  served: number;
}

export interface PickedSources {
  /** Best first; at most 8. */
  readonly chosen: readonly Source[];
  /** What of the wanted pieces they have together. */
  readonly covered: PieceWords;
}

/** Whether it may serve one more order. */
export function hasTime({ served, draining }: Source, maxOrdersPerPeer: number): boolean {
  return served < maxOrdersPerPeer * (draining ? DRAINING_FACTOR : 1);
}

/** Few peers that have the wanted pieces, those first that serve little and have much. */
export function pickSources(
  wanted: PieceWords,
  sources: readonly Source[],
  copier: string,
  maxOrdersPerPeer: number,
): PickedSources {
  const places: number[] = [];
  for (let at = 0; at < wanted.length; at++) if (wanted[at] !== 0) places.push(at);
  const left = wanted.slice();
  const chosen: Source[] = [];
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

/** Who is chosen has nothing of what is left, so nobody is chosen twice. */
function bestSource(
  left: PieceWords,
  places: readonly number[],
  sources: readonly Source[],
  { thing, maxOrdersPerPeer }: { thing: number; maxOrdersPerPeer: number },
): Source | undefined {
  let best: Source | undefined;
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

import type { PieceRange } from "../ports/tracker.ts";
import { CopyCount } from "./copies.ts";
import type { PlanHolder, PlanInput, PlanVolunteer } from "./input.ts";
import { Placement } from "./placement.ts";
import { hasTime, pickSources, type Source } from "./sources.ts";
import { countWords, emptyWords, type PieceWords, rangesOf, wordsOf, wordsOfRanges } from "./words.ts";

/** Ranges of one order, as the wire bounds them. */
const MAX_RANGES = 4_096;

/** What is to be copied, by whom, from whom. */
export interface NewOrder {
  readonly volunteer: PlanVolunteer;
  readonly ranges: readonly PieceRange[];
  readonly pieces: number;
  /** At least one; together they have every piece. */
  readonly sources: readonly string[];
}

/** What an order is to be cut down to. No ranges: it is called off. */
export interface CutOrder {
  readonly leaseId: string;
  readonly ranges: readonly PieceRange[];
}

export interface ReplicationPlan {
  readonly give: readonly NewOrder[];
  readonly cut: readonly CutOrder[];
}

/**
 * Which volunteer is to copy which pieces of one swarm from whom, so that every piece comes to have `target` copies.
 *
 * The copies that count are those of listed peers that stay, and what orders under way will add. Rarest pieces come
 * first. Each goes where its zone has none yet, then where rendezvous hashing puts it: whoever plans from the same facts
 * plans the same, and a peer that comes or goes moves nothing but its own share. Never moves a copy that is there; what
 * became too much while it was ordered is cut. Ordering nothing is a fine answer: the next plan begins where this ends.
 */
export function planReplication(input: PlanInput): ReplicationPlan {
  const { target, totalPieces, holders, caps } = input;
  const sources = holders
    .filter(({ listed, bitfield }) => listed && bitfield.count > 0)
    .map(
      (holder): Source => ({
        ...pick(holder),
        words: wordsOf(holder.bitfield),
        served: input.served(holder.url),
      }),
    );
  const copies = new CopyCount(totalPieces, target);
  const placement = new Placement(input, copies);
  for (const source of sources) if (!source.draining) placement.has(source, source.words);
  const cut = cutOrders(input, copies, placement);
  if (target === 0 || copies.under === 0) return { give: [], cut };

  const idle = sources.filter((source) => hasTime(source, caps.maxOrdersPerPeer));
  if (idle.length === 0) return { give: [], cut };
  const room = caps.maxOrders - input.underWay;
  const give: NewOrder[] = [];
  for (const { volunteer, words } of placement.place(unionOf(totalPieces, idle))) {
    if (give.length >= room) break;
    const order = orderOf(input, volunteer, words, sources);
    if (order) give.push(order);
  }
  return { give, cut };
}

function pick({ leaseId, url, zone, draining }: PlanHolder) {
  return { leaseId, url, zone, draining };
}

/** Older orders keep their pieces; a later one that would add a copy too many loses it. */
function cutOrders({ orders, totalPieces }: PlanInput, copies: CopyCount, placement: Placement): CutOrder[] {
  const cut: CutOrder[] = [];
  for (const { leaseId, zone, ranges } of orders) {
    const words = wordsOfRanges(ranges, totalPieces);
    for (let at = 0; at < words.length; at++) words[at]! &= ~placement.heldAt(leaseId, at);
    const missing = countWords(words);
    for (let at = 0; at < words.length; at++) words[at]! &= ~copies.enoughAt(at);
    if (countWords(words) < missing) cut.push({ leaseId, ranges: rangesOf(words) });
    placement.ordered({ leaseId, zone }, words);
  }
  return cut;
}

function unionOf(size: number, sources: readonly Source[]): PieceWords {
  const union = emptyWords(size);
  for (const { words } of sources) for (let at = 0; at < union.length; at++) union[at]! |= words[at]!;
  return union;
}

/** Undefined if nobody who has these pieces has time for one more order. */
function orderOf(
  { totalPieces, caps }: PlanInput,
  volunteer: PlanVolunteer,
  words: PieceWords,
  sources: readonly Source[],
): NewOrder | undefined {
  const wanted = wordsOfRanges(rangesOf(words, MAX_RANGES), totalPieces);
  const { chosen, covered } = pickSources(wanted, sources, volunteer.url, caps.maxOrdersPerPeer);
  if (chosen.length === 0) return undefined;
  for (const source of chosen) source.served++;
  const ranges = rangesOf(covered);
  return { volunteer, ranges, pieces: countWords(covered), sources: chosen.map(({ url }) => url) };
}

import { MAX_RANGES, type PieceRange } from "../ports/tracker.ts";
import { CopyCount } from "./copies.ts";
import type { PlanInput, PlanVolunteer } from "./input.ts";
import { Placement } from "./placement.ts";
import { type CopySource, hasTime, pickSources } from "./sources.ts";
import {
  addWords,
  countWords,
  emptyWords,
  type PieceWords,
  rangesOf,
  wordsOf,
  wordsOfRanges,
} from "./words.ts";

/** An order to make: the volunteer, the pieces to copy and the peers to copy them from. */
export interface NewOrder {
  readonly volunteer: PlanVolunteer;
  readonly ranges: readonly PieceRange[];
  readonly pieces: number;
  /** At least one; together the sources have every piece. */
  readonly sources: readonly string[];
}

/** An order to shorten to these ranges. Without ranges it is called off. */
export interface CutOrder {
  readonly leaseId: string;
  readonly ranges: readonly PieceRange[];
}

export interface ReplicationPlan {
  readonly give: readonly NewOrder[];
  readonly cut: readonly CutOrder[];
}

/**
 * Plans which volunteer copies which pieces of one swarm from which peers, so that every piece gets `target` copies.
 *
 * A copy counts at a listed peer that stays, and in an order under way. The rarest pieces come first. Each goes to a
 * zone without it, then to the volunteer that rendezvous hashing picks: planners with the same facts make the same
 * plan, and a peer that joins or leaves moves nothing but its own share. Existing copies are never moved; orders for
 * copies that have become too many are cut. A plan may order nothing: the next one goes on from there.
 */
export function planReplication(input: PlanInput): ReplicationPlan {
  const { target, totalPieces, holders, caps } = input;
  const sources = holders
    .filter(({ listed, bitfield }) => listed && bitfield.count > 0)
    .map(
      ({ leaseId, url, zone, draining, bitfield }): CopySource => ({
        ...{ leaseId, url, zone, draining },
        words: wordsOf(bitfield),
        served: input.served(url),
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

/** Older orders keep their pieces. A newer order loses those of which it would add a copy too many. */
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

function unionOf(size: number, sources: readonly CopySource[]): PieceWords {
  const union = emptyWords(size);
  for (const { words } of sources) addWords(union, words);
  return union;
}

/** Undefined if no peer with these pieces has time for one more order. */
function orderOf(
  { totalPieces, caps }: PlanInput,
  volunteer: PlanVolunteer,
  words: PieceWords,
  sources: readonly CopySource[],
): NewOrder | undefined {
  const wanted = wordsOfRanges(rangesOf(words, MAX_RANGES), totalPieces);
  const { chosen, covered } = pickSources(wanted, sources, volunteer.url, caps.maxOrdersPerPeer);
  if (chosen.length === 0) return undefined;
  for (const source of chosen) source.served++;
  const ranges = rangesOf(covered);
  return { volunteer, ranges, pieces: countWords(covered), sources: chosen.map(({ url }) => url) };
}

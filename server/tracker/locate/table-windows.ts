import { subnetOfUrl } from "../store/subnet.ts";
import type { SwarmMember, SwarmSnapshot } from "../store/swarm-store.ts";

/** Peers that one answer names. */
export const TABLE_SIZE = 50;
/** Seeders in every table, where there are so many: whoever asks once can finish. */
const MIN_SEEDERS = 3;
/** Tables of one state of a swarm that are kept. */
export const MAX_TABLES = 64;

/** The peers that one answer names, and the turn in core/base/round-robin.ts' sense among them. */
export interface Table {
  readonly peers: readonly SwarmMember[];
  readonly turn: number;
}

/** Deals the peers of a swarm out to answers. */
export interface Windows {
  /** After so many answers the same tables come again. */
  readonly count: number;
  /** The table of the answer with this number, the same array whenever it comes again. */
  at(answer: number): Table;
}

/**
 * The peers of a swarm that may be named to somebody new. Up to 50 are one table. More are dealt out to several, seeders
 * and leechers each in lease order, and every answer has the next table: so each peer is named as often as every other.
 * Only where seeders are too few for three in every table are they named more often, each as often as the others.
 * Every table has peers of all ages, so that many who came together do not push out who was there before: one of the
 * oldest tenth is in each.
 *
 * And only where one network has more peers than its share of a table: the places are shared out among networks first,
 * and who is of a small one is in every table, so that a crowd of one owner's hides nobody. A share, and no fixed number
 * of places, because a swarm in one building is of one network, and all of a table is its own.
 *
 * A table's own turn grows by one whenever its time has come again, so that it is as fair inside as the only table.
 */
export class TableWindows implements Windows {
  /** In every table. */
  readonly #always: readonly SwarmMember[];
  /** Places in a table that are left for the others. */
  readonly #size: number;
  readonly #minSeeders: number;
  readonly #seeders: readonly SwarmMember[];
  readonly #leechers: readonly SwarmMember[];
  /** By peer: its place in lease order. */
  readonly #places = new Map<SwarmMember, number>();
  /** Parts that leechers are dealt into, and seeders if there are enough of them. */
  readonly #parts: number;
  /** Seeders of each table where they are dealt round and round; 0 where they are dealt as leechers are. */
  readonly #dealt: number;
  readonly count: number;
  readonly #tables = new Map<number, readonly SwarmMember[]>();

  /** `size`: peers in a table. */
  constructor({ members }: Pick<SwarmSnapshot, "members">, size = TABLE_SIZE) {
    const all = members.filter(({ listed, draining }) => listed && !draining);
    for (const [place, member] of all.entries()) this.#places.set(member, place);
    const isCrowded = crowdedSubnets(all, size);
    this.#always = isCrowded ? all.filter((member) => !isCrowded(member)) : [];
    this.#size = size - this.#always.length;
    this.#minSeeders = Math.min(MIN_SEEDERS, this.#size - 1);
    const named = isCrowded ? all.filter(isCrowded) : all;
    this.#seeders = named.filter(({ bitfield }) => bitfield.complete);
    this.#leechers = named.filter(({ bitfield }) => !bitfield.complete);
    const seeders = this.#seeders.length;
    let parts = Math.max(1, Math.ceil(named.length / this.#size));
    while (this.#sizeWith(parts) > this.#size) parts++;
    this.#parts = parts;
    this.#dealt = seeders < this.#minSeeders * parts ? Math.min(this.#minSeeders, seeders) : 0;
    const round = this.#dealt === 0 ? 1 : seeders / gcd(seeders, this.#dealt);
    this.count = (parts * round) / gcd(parts, round);
  }

  at(answer: number): Table {
    const window = answer % this.count;
    const known = this.#tables.get(window);
    const peers = known ?? this.#make(window);
    if (!known) {
      if (this.#tables.size === MAX_TABLES) this.#tables.clear();
      this.#tables.set(window, peers);
    }
    return { peers, turn: Math.floor(answer / this.count) };
  }

  /** Peers in the largest table if leechers are dealt into so many parts. */
  #sizeWith(parts: number): number {
    const seeders = this.#seeders.length;
    const few = seeders < this.#minSeeders * parts;
    const most = few ? Math.min(this.#minSeeders, seeders) : Math.ceil(seeders / parts);
    return most + Math.ceil(this.#leechers.length / parts);
  }

  #make(window: number): readonly SwarmMember[] {
    const seeders =
      this.#dealt === 0
        ? part(this.#seeders, window, this.#parts)
        : Array.from(
            { length: this.#dealt },
            (_, n) => this.#seeders[(window * this.#dealt + n) % this.#seeders.length]!,
          );
    const peers = [...this.#always, ...seeders, ...part(this.#leechers, window % this.#parts, this.#parts)];
    return peers.sort((a, b) => this.#places.get(a)! - this.#places.get(b)!);
  }
}

/** Part number `n` of a list in `parts` parts that differ by one at most, each from all over the list. */
function part<T>(list: readonly T[], n: number, parts: number): readonly T[] {
  return list.filter((_, at) => at % parts === n);
}

/**
 * Says of a peer whether its network has more than its share of a table, where sharing it out by networks makes a
 * difference: undefined if all fit, if all networks are crowded, and if there are so many that none gets two places.
 */
function crowdedSubnets(
  all: readonly SwarmMember[],
  places: number,
): ((member: SwarmMember) => boolean) | undefined {
  if (all.length <= places) return undefined;
  const sizes = new Map<string, number>();
  const subnets = new Map(all.map((member) => [member, subnetOfUrl(member.url)]));
  for (const subnet of subnets.values()) sizes.set(subnet, (sizes.get(subnet) ?? 0) + 1);
  const taken = (share: number) => [...sizes.values()].reduce((sum, size) => sum + Math.min(size, share), 0);
  let share = 1;
  while (sizes.size < places && taken(share + 1) <= places) share++;
  const isCrowded = (member: SwarmMember) => sizes.get(subnets.get(member)!)! > share;
  return share > 1 && !all.every(isCrowded) ? isCrowded : undefined;
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

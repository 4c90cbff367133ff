import { subnetOfUrl } from "../store/subnet.ts";
import type { SwarmMember, SwarmSnapshot } from "../store/swarm-store.ts";
import { leastCommonMultiple, TABLE_SIZE, Windows } from "./windows.ts";

/** Seeders in every table if the swarm has as many, so that a downloader that asks once can finish. */
const MIN_SEEDERS = 3;

/**
 * Deals out the peers of a swarm that may be named to a downloader. Up to 50 peers are one table. More are dealt into
 * several, seeders and leechers each in lease order, so that each peer is named as often as every other. Seeders are
 * named more often, each as often as the others, only where there are too few for three in every table. Every table
 * has peers of all ages, one of the oldest tenth among them, so that newcomers do not push out older peers.
 *
 * Where one network has more peers than its share of a table, the places are first shared out among networks, and the
 * peers of small networks are in every table, so that one owner's crowd does not hide other peers. It is a share and
 * not a fixed number of places, because a swarm inside one building is of one network and may fill the table.
 */
export class TableWindows extends Windows {
  readonly count: number;
  /** Peers in every table. */
  readonly #always: readonly SwarmMember[];
  /** Places of a table that are left for the others. */
  readonly #size: number;
  readonly #minSeeders: number;
  readonly #seeders: readonly SwarmMember[];
  readonly #leechers: readonly SwarmMember[];
  /** The place of each peer in lease order. */
  readonly #places = new Map<SwarmMember, number>();
  /** Parts into which leechers are dealt, and seeders if there are enough of them. */
  readonly #parts: number;
  /** Seeders of each table if they are too few to be dealt into parts and go round instead; else 0. */
  readonly #dealt: number;

  /** `size`: peers in a table. */
  constructor({ members }: Pick<SwarmSnapshot, "members">, size = TABLE_SIZE) {
    super();
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
    const round = this.#dealt === 0 ? 1 : leastCommonMultiple(seeders, this.#dealt) / this.#dealt;
    this.count = leastCommonMultiple(parts, round);
  }

  /** Peers in the largest table if leechers are dealt into this many parts. */
  #sizeWith(parts: number): number {
    const seeders = this.#seeders.length;
    const few = seeders < this.#minSeeders * parts;
    const most = few ? Math.min(this.#minSeeders, seeders) : Math.ceil(seeders / parts);
    return most + Math.ceil(this.#leechers.length / parts);
  }

  protected make(window: number): readonly SwarmMember[] {
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

/** Part `n` of `parts` of a list. Their lengths differ by one at most, and each has items from all over the list. */
function part<T>(list: readonly T[], n: number, parts: number): readonly T[] {
  return list.filter((_, at) => at % parts === n);
}

/**
 * Returns a test whether a peer's network has more peers than its share of a table. Undefined where sharing by
 * networks makes no difference: if all peers fit, if all networks are crowded, or if no network gets two places.
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

import { subnetOfUrl } from "../store/subnet.ts";
import type { SwarmMember } from "../store/swarm-store.ts";
import { leastCommonMultiple, Windows } from "./windows.ts";

/**
 * The tables of a swarm with peers that are reported to fail: each has the peers of a table of the others, followed by
 * some suspects. The networks of the suspects take turns, and so do the suspects of each network: one owner's crowd of
 * suspects must not hide honest ones.
 */
export class SuspectWindows extends Windows {
  readonly count: number;
  readonly #others: Windows;
  readonly #networks: readonly (readonly SwarmMember[])[];
  readonly #places: number;

  /** `places`: suspects in a table, 1 to the number of suspects. */
  constructor(others: Windows, suspects: readonly SwarmMember[], places: number) {
    super();
    this.#others = others;
    this.#networks = [...Map.groupBy(suspects, ({ url }) => subnetOfUrl(url)).values()];
    this.#places = places;
    const largest = Math.max(...this.#networks.map(({ length }) => length));
    this.count = leastCommonMultiple(others.count, this.#networks.length * largest);
  }

  /** The turn is that of the others, which take turns as if there were no suspects. */
  override turnOf(answer: number): number {
    return this.#others.turnOf(answer);
  }

  protected make(window: number): readonly SwarmMember[] {
    const suspects = new Set<SwarmMember>();
    const { length } = this.#networks;
    for (let at = window * this.#places; suspects.size < this.#places; at++) {
      const network = this.#networks[at % length]!;
      suspects.add(network[Math.floor(at / length) % network.length]!);
    }
    return [...this.#others.at(window).peers, ...suspects];
  }
}

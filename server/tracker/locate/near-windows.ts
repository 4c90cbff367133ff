import type { SwarmMember } from "../store/swarm-store.ts";
import { TableWindows } from "./table-windows.ts";
import { leastCommonMultiple, TABLE_SIZE, Windows } from "./windows.ts";

/**
 * The tables of a downloader whose zone has too few seeders to name its zone alone. Each table begins with the peers
 * of the zone, all of them or half a table in turn, followed by as many others as fit, in turn too. So all near peers
 * are named equally often, and so are all far ones.
 */
export class NearWindows extends Windows {
  readonly count: number;
  readonly #near: TableWindows;
  readonly #far: TableWindows;

  /** Both lists are in lease order, and neither is empty. `size`: peers in a table. */
  constructor(near: readonly SwarmMember[], far: readonly SwarmMember[], size = TABLE_SIZE) {
    super();
    const places = Math.min(near.length, Math.floor(size / 2));
    this.#near = new TableWindows({ members: near }, places);
    this.#far = new TableWindows({ members: far }, size - places);
    this.count = leastCommonMultiple(this.#near.count, this.#far.count);
  }

  protected make(window: number): readonly SwarmMember[] {
    return [...this.#near.at(window).peers, ...this.#far.at(window).peers];
  }
}

import type { SwarmMember } from "../store/swarm-store.ts";
import { MAX_TABLES, TABLE_SIZE, type Table, TableWindows, type Windows } from "./table-windows.ts";

/** Places in a table for those near the asker, where there are more of them. */
const NEAR_PLACES = TABLE_SIZE / 2;

/**
 * The tables of an asker that is near too few seeders to be told of its own zone alone: in each of them those of its
 * zone come first, all of them or half a table in turn, and behind them as many others as fit, in turn too. So every
 * near peer is named as often as every other near one, and likewise the far ones.
 */
export class NearWindows implements Windows {
  readonly count: number;
  readonly #near: TableWindows;
  readonly #far: TableWindows;
  readonly #tables = new Map<number, readonly SwarmMember[]>();

  /** Both lists in lease order, neither of them empty. */
  constructor(near: readonly SwarmMember[], far: readonly SwarmMember[]) {
    const places = Math.min(near.length, NEAR_PLACES);
    this.#near = new TableWindows({ members: near }, places);
    this.#far = new TableWindows({ members: far }, TABLE_SIZE - places);
    this.count = leastCommonMultiple(this.#near.count, this.#far.count);
  }

  at(answer: number): Table {
    const window = answer % this.count;
    const known = this.#tables.get(window);
    const peers = known ?? [...this.#near.at(window).peers, ...this.#far.at(window).peers];
    if (!known) {
      if (this.#tables.size === MAX_TABLES) this.#tables.clear();
      this.#tables.set(window, peers);
    }
    return { peers, turn: Math.floor(answer / this.count) };
  }
}

function leastCommonMultiple(a: number, b: number): number {
  let [divisor, rest] = [a, b];
  while (rest !== 0) [divisor, rest] = [rest, divisor % rest];
  return (a / divisor) * b;
}

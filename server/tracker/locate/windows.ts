import type { SwarmMember } from "../store/swarm-store.ts";

/** Peers that one answer names at most, legacy peers aside. */
export const TABLE_SIZE = 50;
/** Tables cached for one state of a swarm. */
const MAX_TABLES = 64;

/** The peers that one answer names, and the turn among them (see core/base/round-robin.ts). */
export interface Table {
  readonly peers: readonly SwarmMember[];
  readonly turn: number;
}

/** Deals the peers of a swarm out to answers: each answer names the peers of one table. */
export abstract class Windows {
  /** After this many answers the same tables come again. */
  abstract readonly count: number;
  readonly #tables = new Map<number, readonly SwarmMember[]>();

  /**
   * The table of the answer with this number. `peers` is the same array while it is cached. The turn grows by one
   * each time that the table comes again, so that several tables are as fair as a single one.
   */
  at(answer: number): Table {
    const window = answer % this.count;
    const known = this.#tables.get(window);
    const peers = known ?? this.make(window);
    if (!known) {
      if (this.#tables.size === MAX_TABLES) this.#tables.clear();
      this.#tables.set(window, peers);
    }
    return { peers, turn: this.turnOf(answer) };
  }

  turnOf(answer: number): number {
    return Math.floor(answer / this.count);
  }

  protected abstract make(window: number): readonly SwarmMember[];
}

export function leastCommonMultiple(a: number, b: number): number {
  let [divisor, rest] = [a, b];
  while (rest !== 0) [divisor, rest] = [rest, divisor % rest];
  return (a / divisor) * b;
}

import type { Random } from "#core/base/clock.ts";

/** The swarms asked for last keep their counters, at least this many and at most twice as many. */
const MIN_TURNS = 50_000;

/** Counts the answers of each swarm, in two generations of maps for V8's sake (docs/v8.md). */
export class Turns {
  readonly #random: Random;
  #recent = new Map<string, number>();
  #before: ReadonlyMap<string, number> = new Map();

  constructor(random: Random) {
    this.#random = random;
  }

  /**
   * The swarm's next number. It begins at random, so that trackers that start together name different peers first.
   */
  next(swarm: string): number {
    const known = this.#recent.get(swarm) ?? this.#before.get(swarm);
    const turn = known ?? Math.floor(this.#random() * 2 ** 16);
    this.#recent.set(swarm, (turn + 1) % 2 ** 32);
    if (this.#recent.size > MIN_TURNS) {
      this.#before = this.#recent;
      this.#recent = new Map();
    }
    return turn;
  }
}

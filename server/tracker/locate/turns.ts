import type { Random } from "#core/base/clock.ts";

/** So many swarms that were asked for last are remembered, and as many more at most; others start anew. */
const MIN_TURNS = 50_000;

/**
 * Counts the answers of each swarm. In two generations, because to put a swarm to the end of one map at every call makes
 * the map's tables anew every few calls, in the heap's old generation.
 */
export class Turns {
  readonly #random: Random;
  #recent = new Map<string, number>();
  #before: ReadonlyMap<string, number> = new Map();

  constructor(random: Random) {
    this.#random = random;
  }

  /** The swarm's next number. Begins anywhere, so that trackers that start together do not all name the same peer first. */
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

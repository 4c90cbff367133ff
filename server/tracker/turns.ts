import type { Random } from "#core/clock.ts";

/** Swarms whose turn is remembered; the one asked for longest ago is forgotten first and starts anew. */
const MAX_TURNS = 100_000;

/** Counts the answers of each swarm. */
export class Turns {
  readonly #random: Random;
  /** Least recently asked for first. */
  readonly #turns = new Map<string, number>();

  constructor(random: Random) {
    this.#random = random;
  }

  /** The swarm's next number. Begins anywhere, so that trackers that start together do not all name the same peer first. */
  next(swarm: string): number {
    const turn = this.#turns.get(swarm) ?? Math.floor(this.#random() * 2 ** 16);
    this.#turns.delete(swarm);
    this.#turns.set(swarm, (turn + 1) % 2 ** 32);
    if (this.#turns.size > MAX_TURNS) this.#turns.delete(this.#turns.keys().next().value!);
    return turn;
  }
}

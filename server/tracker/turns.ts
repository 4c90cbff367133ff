import type { Random } from "#core/clock.ts";

/** Swarms whose turn is remembered for sure, and at most twice as many; one that is forgotten starts anew. */
const MAX_TURNS = 50_000;

/** Counts the answers of each swarm. */
export class Turns {
  readonly #random: Random;
  /** Two generations, because to put what was used last at the end of one map costs more than the rest of a turn. */
  #young = new Map<string, number>();
  #old: ReadonlyMap<string, number> = new Map();

  constructor(random: Random) {
    this.#random = random;
  }

  /** The swarm's next number. Begins anywhere, so that trackers that start together do not all name the same peer first. */
  next(swarm: string): number {
    const turn = this.#young.get(swarm) ?? this.#old.get(swarm) ?? Math.floor(this.#random() * 2 ** 16);
    this.#young.set(swarm, (turn + 1) % 2 ** 32);
    if (this.#young.size >= MAX_TURNS) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    return turn;
  }
}

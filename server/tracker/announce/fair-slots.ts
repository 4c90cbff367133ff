/** A task that waits for a slot. `begin` starts it. */
interface Waiting {
  gaveUp: boolean;
  readonly begin: () => void;
}

/**
 * Runs a limited number of tasks at once. Sources take turns: however many tasks one source has waiting, the first
 * task of another source waits for at most one task of each source.
 */
export class FairSlots {
  #free: number;
  /** Waiting tasks by source, sources in the order of their turns. */
  readonly #waiting = new Map<string, Waiting[]>();

  constructor(atOnce: number) {
    this.#free = atOnce;
  }

  /** Runs a task and returns its result. `signal` ends only the wait for a slot, with its reason. */
  async run<T>(source: string, signal: AbortSignal, task: () => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    if (this.#free > 0) this.#free--;
    else await this.#turn(source, signal);
    try {
      return await task();
    } finally {
      this.#next();
    }
  }

  #turn(source: string, signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onAbort = () => {
      waiting.gaveUp = true;
      reject(signal.reason);
    };
    const begin = () => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    };
    const waiting: Waiting = { gaveUp: false, begin };
    signal.addEventListener("abort", onAbort, { once: true });
    const queue = this.#waiting.get(source);
    if (queue) queue.push(waiting);
    else this.#waiting.set(source, [waiting]);
    return promise;
  }

  /** Gives a free slot to the first source, which then moves to the end. */
  #next(): void {
    for (const [source, queue] of this.#waiting) {
      this.#waiting.delete(source);
      const first = queue.findIndex(({ gaveUp }) => !gaveUp);
      const rest = first < 0 ? [] : queue.slice(first + 1);
      if (rest.length > 0) this.#waiting.set(source, rest);
      if (first < 0) continue;
      queue[first]!.begin();
      return;
    }
    this.#free++;
  }
}

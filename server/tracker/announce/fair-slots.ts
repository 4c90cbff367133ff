/** One that waits: begins when it is called, unless it has given up. */
interface Waiting {
  gaveUp: boolean;
  readonly begin: () => void;
}

/**
 * Lets so many tasks run at once. Sources take turns: however many tasks one has waiting, another's first task waits
 * for no more than one of each.
 */
export class FairSlots {
  #free: number;
  /** By source, in the order of their turns. */
  readonly #waiting = new Map<string, Waiting[]>();

  constructor(atOnce: number) {
    this.#free = atOnce;
  }

  /** The task's own end. An aborted signal rejects with its reason while the task waits; later the task sees to it. */
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

  /** Gives a slot that came free to the first source in turn, which goes to the end. */
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

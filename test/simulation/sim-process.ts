import type { Clock } from "#core/base/clock.ts";

/** A process of a simulated machine. What it still does once it is dead reaches nobody: no timer, no message, no disk. */
export class SimProcess {
  readonly clock: Clock;
  dead = false;
  /** Its timers that wait. */
  timers = 0;
  openFiles = 0;
  readonly #onActive: () => void;
  /** What ends with it. */
  readonly #ends = new Set<() => void>();

  /** `onActive` is called whenever something happens in the process. */
  constructor(clock: Clock, onActive: () => void) {
    this.#onActive = onActive;
    this.clock = { now: () => clock.now(), after: (ms, fn) => this.#after(clock, ms, fn) };
  }

  die(): void {
    this.dead = true;
    for (const end of this.#ends) end();
    this.#ends.clear();
  }

  /**
   * Runs a call that ends with the process, with any of `signals`, and after `deadline.ms` if that is given.
   * AbortSignal.any would do, at ten times the cost.
   */
  async during<T>(
    signals: readonly AbortSignal[],
    run: (ended: AbortSignal) => Promise<T>,
    deadline?: { readonly ms: number; readonly error: Error },
  ): Promise<T> {
    for (const signal of signals) signal.throwIfAborted();
    const end = new AbortController();
    const onSignal = (event: Event) => end.abort((event.target as AbortSignal).reason);
    const onDeath = () => end.abort(new Error("the process is dead"));
    if (this.dead) onDeath();
    for (const signal of signals) signal.addEventListener("abort", onSignal);
    this.#ends.add(onDeath);
    const cancel = deadline && this.clock.after(deadline.ms, () => end.abort(deadline.error));
    try {
      return await run(end.signal);
    } finally {
      cancel?.();
      for (const signal of signals) signal.removeEventListener("abort", onSignal);
      this.#ends.delete(onDeath);
      this.#onActive();
    }
  }

  #after(clock: Clock, ms: number, fn: () => void): () => void {
    if (this.dead) return () => {};
    this.timers++;
    const stop = clock.after(ms, () => {
      done();
      this.#onActive();
      fn();
    });
    const done = () => {
      if (this.#ends.delete(cancel)) this.timers--;
    };
    const cancel = () => {
      done();
      stop();
    };
    this.#ends.add(cancel);
    return cancel;
  }
}

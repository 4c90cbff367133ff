import type { Clock } from "#core/base/clock.ts";

interface Timer {
  readonly atMs: number;
  readonly order: number;
  readonly fn: () => void;
  waits: boolean;
}

/**
 * The time of a simulated world, in whole milliseconds. It goes from one instant at which something is due to the next,
 * so an hour in which nothing happens costs nothing.
 */
export class SimClock implements Clock {
  #nowMs = 0;
  #orders = 0;
  #pending = 0;
  /** A binary heap: no timer is due before its parent. */
  readonly #heap: Timer[] = [];

  now(): number {
    return this.#nowMs;
  }

  /** Timers that wait. */
  get pending(): number {
    return this.#pending;
  }

  after(ms: number, fn: () => void): () => void {
    const timer = { atMs: this.#nowMs + Math.max(0, Math.ceil(ms)), order: this.#orders++, fn, waits: true };
    this.#push(timer);
    this.#pending++;
    return () => {
      if (timer.waits) this.#pending--;
      timer.waits = false;
    };
  }

  /** Runs what is due at the next instant, and every promise that follows from it. False if nothing is due by `untilMs`. */
  async step(untilMs: number): Promise<boolean> {
    const first = this.#next();
    if (!first || first.atMs > untilMs) return false;
    this.#nowMs = first.atMs;
    for (let timer = this.#next(); timer && timer.atMs <= this.#nowMs; timer = this.#next()) {
      this.#pop();
      timer.waits = false;
      this.#pending--;
      timer.fn();
    }
    await settle();
    return true;
  }

  #next(): Timer | undefined {
    while (this.#heap[0] && !this.#heap[0].waits) this.#pop();
    return this.#heap[0];
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    let at = heap.push(timer) - 1;
    for (let up = (at - 1) >> 1; at > 0 && before(timer, heap[up]!); at = up, up = (at - 1) >> 1) {
      heap[at] = heap[up]!;
      heap[up] = timer;
    }
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    heap[0] = last;
    for (let at = 0; ; ) {
      const left = 2 * at + 1;
      const right = left + 1;
      const down = right < heap.length && before(heap[right]!, heap[left]!) ? right : left;
      if (down >= heap.length || before(last, heap[down]!)) return;
      heap[at] = heap[down]!;
      heap[down] = last;
      at = down;
    }
  }
}

function before(a: Timer, b: Timer): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

/** Nothing in a simulation waits for the machine, so one turn of its loop lets every promise run to its end. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

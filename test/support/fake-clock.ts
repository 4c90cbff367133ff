import type { Clock } from "#core/base/clock.ts";

interface Timer {
  readonly atMs: number;
  readonly order: number;
  readonly fn: () => void;
  waits: boolean;
}

/** Time that moves by hand. */
export class FakeClock implements Clock {
  #now = 0;
  /** A heap: no timer is before its parent. Those that were called off stay until it is their turn. */
  readonly #timers: Timer[] = [];
  #pending = 0;
  #order = 0;

  now(): number {
    return this.#now;
  }

  after(ms: number, fn: () => void): () => void {
    const timer = { atMs: this.#now + Math.max(0, ms), order: this.#order++, fn, waits: true };
    this.#push(timer);
    this.#pending++;
    return () => this.#end(timer);
  }

  /** Timers that wait. */
  get pending(): number {
    return this.#pending;
  }

  /** Moves on by `ms`, runs what falls due in order, and lets promises settle before, between and after. */
  async tick(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settle();
    for (let first = this.#timers[0]; first && first.atMs <= end; first = this.#timers[0]) {
      this.#pop();
      if (!first.waits) continue;
      this.#end(first);
      this.#now = Math.max(this.#now, first.atMs);
      first.fn();
      await settle();
    }
    this.#now = end;
    await settle();
  }

  #end(timer: Timer): void {
    if (timer.waits) this.#pending--;
    timer.waits = false;
  }

  #push(timer: Timer): void {
    const timers = this.#timers;
    let at = timers.length;
    for (let parent = (at - 1) >> 1; at > 0 && isBefore(timer, timers[parent]!); parent = (at - 1) >> 1) {
      timers[at] = timers[parent]!;
      at = parent;
    }
    timers[at] = timer;
  }

  /** Takes the first one out. */
  #pop(): void {
    const timers = this.#timers;
    const last = timers.pop()!;
    if (timers.length === 0) return;
    let at = 0;
    for (let child = 1; child < timers.length; child = 2 * at + 1) {
      if (child + 1 < timers.length && isBefore(timers[child + 1]!, timers[child]!)) child++;
      if (!isBefore(timers[child]!, last)) break;
      timers[at] = timers[child]!;
      at = child;
    }
    timers[at] = last;
  }
}

/** Of two at one time, the one that was set first. */
function isBefore(a: Timer, b: Timer): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

/** Lets every promise that can settle without time passing do so: a turn of the event loop, twice. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
}

import type { Clock } from "#core/clock.ts";

/** Time that moves by hand. */
export class FakeClock implements Clock {
  #now = 0;
  #timers: { at: number; order: number; fn: () => void }[] = [];
  #order = 0;

  now(): number {
    return this.#now;
  }

  after(ms: number, fn: () => void): () => void {
    const timer = { at: this.#now + Math.max(0, ms), order: this.#order++, fn };
    this.#timers.push(timer);
    return () => {
      const at = this.#timers.indexOf(timer);
      if (at >= 0) this.#timers.splice(at, 1);
    };
  }

  /** Timers that wait. */
  get pending(): number {
    return this.#timers.length;
  }

  /** The timer that falls due first; of two at one time, the one that was set first. */
  #first() {
    let first = this.#timers[0];
    for (const timer of this.#timers) {
      if (timer.at < first!.at || (timer.at === first!.at && timer.order < first!.order)) first = timer;
    }
    return first;
  }

  /** Moves on by `ms`, runs what falls due in order, and lets promises settle before, between and after. */
  async tick(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settle();
    for (;;) {
      const next = this.#first();
      if (!next || next.at > end) break;
      this.#timers.splice(this.#timers.indexOf(next), 1);
      this.#now = Math.max(this.#now, next.at);
      next.fn();
      await settle();
    }
    this.#now = end;
    await settle();
  }
}

/** Lets every promise that can settle without time passing do so: a turn of the event loop, twice. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
}

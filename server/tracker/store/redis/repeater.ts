import type { Clock } from "#core/base/clock.ts";

/** Runs a task every `everyMs`, one run at a time, until it is closed. Ignores failed runs: the store was away. */
export class Repeater {
  readonly #clock: Clock;
  readonly #everyMs: number;
  readonly #task: () => Promise<void>;
  #cancel = () => {};
  #run: Promise<void> | undefined;
  #closed = false;

  constructor(clock: Clock, everyMs: number, task: () => Promise<void>) {
    this.#clock = clock;
    this.#everyMs = everyMs;
    this.#task = task;
    this.#arm();
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Resolves when the run under way, if any, has ended. */
  async idle(): Promise<void> {
    await this.#run;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel();
    await this.#run;
  }

  #arm(): void {
    this.#cancel = this.#clock.after(this.#everyMs, () => {
      this.#run ??= this.#task()
        .catch(() => {})
        .finally(() => {
          this.#run = undefined;
        });
      this.#arm();
    });
  }
}

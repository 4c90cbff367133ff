import type { UploadBudget } from "./upload-budget.ts";

/** Taken at once when a body turns out to be longer than it was. */
const STEP_BYTES = 64 << 10;

/** The room in memory that the request of one call has taken from the budget of its server. */
export class BodyRoom {
  readonly #budget: UploadBudget;
  readonly #address: string;
  readonly #giveBacks: (() => void)[] = [];
  #bytes = 0;
  #neededBytes = 0;

  constructor(budget: UploadBudget, address: string) {
    this.#budget = budget;
    this.#address = address;
  }

  /**
   * Takes what is missing for `bytes` in all, and some more after the first time, so that a long body takes it in few
   * steps. Throws PiezaError with resource_exhausted and a hint.
   */
  holds(bytes: number): void {
    this.#neededBytes = Math.max(this.#neededBytes, bytes);
    if (bytes <= this.#bytes) return;
    const more = Math.max(bytes - this.#bytes, this.#bytes > 0 ? STEP_BYTES : 0);
    this.#giveBacks.push(this.#budget.take(this.#address, more));
    this.#bytes += more;
  }

  /** The most that `holds` was asked for. */
  get neededBytes(): number {
    return this.#neededBytes;
  }

  release(): void {
    for (const giveBack of this.#giveBacks.splice(0)) giveBack();
    this.#bytes = 0;
  }
}

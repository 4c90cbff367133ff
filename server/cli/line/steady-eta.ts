/** New estimates are followed with a delay of a quarter of the time left, between these bounds. */
const SHORTEST_DELAY_MS = 300;
const LONGEST_DELAY_MS = 5_000;
/** Estimates that differ by more than this factor mean that something happened: the new one counts at once. */
const JUMP = 4;

/** The time left as people like to see it: it runs down like a clock and follows new estimates gently. */
export class SteadyEta {
  #etaMs: number | undefined;
  #atMs = 0;

  /** `estimateMs` as of `nowMs`, undefined while nothing comes. Returns what to show. */
  update(estimateMs: number | undefined, nowMs: number): number | undefined {
    const passedMs = nowMs - this.#atMs;
    this.#atMs = nowMs;
    if (estimateMs === undefined || this.#etaMs === undefined) {
      this.#etaMs = estimateMs;
      return estimateMs;
    }
    const runDownMs = Math.max(0, this.#etaMs - passedMs);
    const factor = (estimateMs + 1_000) / (runDownMs + 1_000);
    const jumped = factor > JUMP || factor < 1 / JUMP;
    const delayMs = Math.min(LONGEST_DELAY_MS, Math.max(SHORTEST_DELAY_MS, estimateMs / 4));
    const weight = jumped ? 1 : 1 - Math.exp(-passedMs / delayMs);
    this.#etaMs = runDownMs + (estimateMs - runDownMs) * weight;
    return this.#etaMs;
  }
}

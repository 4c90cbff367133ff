/** The shown time approaches a new estimate with a delay of a quarter of the time left, within these bounds. */
const SHORTEST_DELAY_MS = 300;
const LONGEST_DELAY_MS = 5_000;
/** An estimate that differs by more than this factor is shown at once, because conditions have changed. */
const JUMP = 4;

/** Smooths the time left: it runs down like a clock and approaches new estimates slowly. */
export class SteadyEta {
  #etaMs: number | undefined;
  #atMs = 0;

  /** Takes the estimate at `nowMs`, undefined without a rate. Returns the time to show. */
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

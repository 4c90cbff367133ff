import type { FailureReport } from "../ports/tracker.ts";

/** What a tracker takes in one announce. */
const MAX_REPORTS = 64;
/** What was seen so long ago says nothing of now. */
const MAX_AGE_MS = 60_000;

/** What a peer has seen of others and not told its tracker yet: each once, the newest 64, none older than a minute. */
export class FailureQueue {
  /** By what it says, oldest first. */
  readonly #reports = new Map<string, { readonly report: FailureReport; readonly atMs: number }>();

  add(report: FailureReport, now: number): void {
    const key = keyOf(report);
    this.#reports.delete(key);
    this.#reports.set(key, { report, atMs: now });
    const [oldest] = this.#reports.keys();
    if (this.#reports.size > MAX_REPORTS) this.#reports.delete(oldest!);
  }

  /** What to tell next. It stays until `told`. */
  next(now: number): FailureReport[] {
    for (const [key, { atMs }] of this.#reports) {
      if (now - atMs <= MAX_AGE_MS) break;
      this.#reports.delete(key);
    }
    return [...this.#reports.values()].map(({ report }) => report);
  }

  told(reports: readonly FailureReport[]): void {
    for (const report of reports) this.#reports.delete(keyOf(report));
  }
}

function keyOf({ url, infoHash, kind }: FailureReport): string {
  return `${kind} ${infoHash} ${url}`;
}

import type { FailureReport } from "../ports/tracker.ts";

/** Reports that a tracker accepts in one announce. */
const MAX_REPORTS = 64;
/** An older report says nothing about the present. */
const MAX_AGE_MS = 60_000;

/** Reports on other peers that the tracker lacks: no two alike, the newest 64, none older than a minute. */
export class FailureQueue {
  /** By content, oldest first. */
  readonly #reports = new Map<string, { readonly report: FailureReport; readonly atMs: number }>();

  add(report: FailureReport, now: number): void {
    const key = keyOf(report);
    this.#reports.delete(key);
    this.#reports.set(key, { report, atMs: now });
    const [oldest] = this.#reports.keys();
    if (this.#reports.size > MAX_REPORTS) this.#reports.delete(oldest!);
  }

  /** The reports for the next announce. They stay until `told`. */
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

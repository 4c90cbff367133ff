import type { DownloadSnapshot } from "#core/download/snapshot.ts";

/** As many as a plot shows; then every two become one. */
const MAX_POINTS = 480;

/** What a plot takes: the seconds, the rate in all, and that of each peer; null before a peer was met. */
export type RateColumns = readonly [number[], ...(number | null)[][]];

/** The rates of a whole download, in bytes per second, the coarser the longer it takes. */
export class LongHistory {
  #stepSeconds = 1;
  #seconds: number[] = [];
  #rates: (number | null)[][] = [[]];
  /** Snapshots in the last step. */
  #samples = 0;

  /** Called with every snapshot; those of a step are averaged. */
  add({ state, elapsedMs, rate, peers }: DownloadSnapshot): void {
    // At its end a download has no rate, which is not the rate that it ended with.
    if (state === "complete") return;
    const second = Math.floor(elapsedMs / 1000 / this.#stepSeconds) * this.#stepSeconds;
    const last = this.#seconds.at(-1);
    if (last !== undefined && second < last) this.#clear();
    if (second !== this.#seconds.at(-1)) {
      this.#seconds.push(second);
      this.#samples = 0;
    }
    this.#samples++;
    this.#put(0, rate);
    for (const peer of peers) this.#put(peer.slot + 1, peer.rate);
    if (this.#seconds.length >= MAX_POINTS) this.#halve();
  }

  /**
   * A copy, for a plot with so many peers: a plot takes exactly one column a line. One that came when there was nothing
   * more to add, or before the engine was started anew, has an empty one.
   */
  columns(peers: number): RateColumns {
    const lines = Array.from({ length: peers + 1 }, (_, line) => [...(this.#rates[line] ?? [])]);
    return [[...this.#seconds], ...lines];
  }

  #put(line: number, rate: number): void {
    this.#rates[line] ??= [];
    const column = this.#rates[line];
    const at = this.#seconds.length - 1;
    while (column.length < at) column.push(null);
    const before = column[at] ?? rate;
    column[at] = before + (rate - before) / this.#samples;
  }

  #halve(): void {
    const even = <T>(values: T[]) => values.filter((_, at) => at % 2 === 0);
    this.#stepSeconds *= 2;
    this.#seconds = even(this.#seconds);
    this.#rates = this.#rates.map((column) => even(column.map((rate, at) => mean(rate, column[at + 1]))));
  }

  #clear(): void {
    this.#stepSeconds = 1;
    this.#seconds = [];
    this.#rates = [[]];
  }
}

function mean(a: number | null, b: number | null | undefined): number | null {
  return a === null || b === null || b === undefined ? (a ?? b ?? null) : (a + b) / 2;
}

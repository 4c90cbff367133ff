import type { DownloadSnapshot } from "#core/download/snapshot.ts";

/** Points of a plot. At this number, every two points become one. */
const MAX_POINTS = 480;

/** Columns of a plot: seconds, total rate, rate of each peer. A rate is null before its peer was met. */
export type RateColumns = readonly [number[], ...(number | null)[][]];

/** The rates of a whole download, in bytes per second. The time step doubles as the download gets longer. */
export class LongHistory {
  #stepSeconds = 1;
  #seconds: number[] = [];
  #rates: (number | null)[][] = [[]];
  /** Snapshots in the last time step. */
  #samples = 0;

  /** Adds a snapshot. The snapshots of one time step are averaged. */
  add({ state, elapsedMs, rate, peers }: DownloadSnapshot): void {
    // A complete download has rate 0, which says nothing of how fast it was.
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
   * A copy of the columns for a plot with `peers` peers: uPlot needs exactly one column for each line. A peer without
   * rates has an empty column.
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

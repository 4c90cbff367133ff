import type { DownloadSnapshot } from "#core/download/snapshot.ts";

/** Length of a sparkline, in seconds, with one value each. */
export const HISTORY_SECONDS = 60;

/** Rates of a download and of each of its peers, one value for each second, the newest last. */
export class RateHistory {
  #second = -1;
  readonly #total: number[] = [];
  readonly #bySlot: number[][] = [];

  /** Adds a snapshot. The last one of a second counts. */
  add({ elapsedMs, rate, peers }: DownloadSnapshot): void {
    const second = Math.floor(elapsedMs / 1000);
    if (second < this.#second) this.#clear();
    const fresh = second !== this.#second;
    this.#second = second;
    put(this.#total, rate, fresh);
    for (const peer of peers) {
      this.#bySlot[peer.slot] ??= [];
      put(this.#bySlot[peer.slot]!, peer.rate, fresh);
    }
  }

  /** Total rates in bytes per second, at most HISTORY_SECONDS of them. */
  get total(): readonly number[] {
    return this.#total;
  }

  of(slot: number): readonly number[] {
    return this.#bySlot[slot] ?? [];
  }

  /** The engine was restarted. */
  #clear(): void {
    this.#total.length = 0;
    this.#bySlot.length = 0;
  }
}

function put(rates: number[], rate: number, fresh: boolean): void {
  if (!fresh) rates.pop();
  rates.push(rate);
  if (rates.length > HISTORY_SECONDS) rates.shift();
}

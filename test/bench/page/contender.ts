import type { QuietTab } from "./quiet-tab.ts";
import type { PageSources } from "./sources.ts";

/** One way for a page to get the file from this machine's loopback into its browser's storage. */
export interface PageContender {
  readonly name: string;
  /** How many times as fast as another contender it was in the same round, with a bar where the project has one. */
  readonly timesAsFast?: readonly (readonly [than: PageContender, bar?: number])[];
  /** Only in so many of the measured rounds, the first ones, and without a warm-up: for one that takes very long. */
  readonly rounds?: number;
  /** Called once, before the first round: starts what it downloads from, if no contender has before. */
  readonly prepare: (sources: PageSources) => Promise<PreparedPage>;
}

export interface PreparedPage {
  /** What is opened in a new tab, with nothing kept from before. */
  readonly url: string;
  /** Who serves the file: their CPU time is the seeders'. */
  readonly pids: readonly number[];
  /** Downloads the file in that tab. Resolves, once all of it is checked and stored, with the seconds that it took. */
  readonly download: (tab: QuietTab) => Promise<number>;
  /** Has the browser save the stored file; returns where it is. */
  readonly save: (tab: QuietTab) => Promise<string>;
}

import type { SystemPackage } from "../../../scripts/system-packages.ts";
import type { Command } from "../support/workspace.ts";
import type { Sources } from "./sources.ts";

/** One way to get the file from this machine's loopback onto its disk. */
export interface Contender {
  readonly name: string;
  /** What it needs from the system. */
  readonly packages?: readonly SystemPackage[];
  readonly bars?: Bars;
  /** Called once, before the first round: starts what it downloads from, if no contender has before. */
  readonly prepare: (sources: Sources) => Promise<Prepared>;
}

/** What its rates and costs should be. */
export interface Bars {
  /** At least so many times as fast as another contender in the same round. */
  readonly timesAsFast?: readonly (readonly [than: Contender, times: number])[];
  readonly atLeastMiBPerSecond?: number;
  /** At most so much CPU time for each GiB, here and at those who serve it. */
  readonly cpuSecondsPerGiB?: { readonly leecher: number; readonly seeders: number };
}

export interface Prepared {
  /** Downloads the file to this path, in a folder that is empty. */
  readonly command: (output: string) => Command;
  /** Who serves it: their CPU time is the seeders'. */
  readonly pids: readonly number[];
}

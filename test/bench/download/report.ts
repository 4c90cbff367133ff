import { machineLines, versionOf } from "../support/machine.ts";
import type { BenchOptions } from "../support/options.ts";
import { type Bar, barCells, median, spread, table } from "../support/table.ts";
import type { Cost } from "../support/workspace.ts";
import type { Contender } from "./contender.ts";
import { WEBTORRENT_VERSION } from "./sources.ts";

export interface Run extends Cost {
  readonly seedersCpuSeconds: number;
}

/** A contender and its measured runs, one a round. */
export interface Result {
  readonly contender: Contender;
  readonly runs: Run[];
}

/** What was measured, in Markdown. */
export function report(
  results: readonly Result[],
  failures: readonly string[],
  options: BenchOptions,
): string {
  const { sizeBytes, runs, folder } = options;
  const parts = [
    ...machineLines(folder),
    ...versionLines(),
    `${sizeBytes / 2 ** 20} MiB of random bytes, ${runs} interleaved runs; median (min-max)`,
    "",
    ratesTable(results, sizeBytes),
    "",
    barsTable(results, sizeBytes),
  ];
  if (failures.length > 0) parts.push("", "Not measured:", ...failures.map((line) => `- ${line}`));
  return parts.join("\n");
}

function versionLines(): string[] {
  const libtorrent = ["-c", "import libtorrent; print('libtorrent', libtorrent.version)"];
  const found = [
    versionOf("curl", "--version").replace(/ \(.*/, ""),
    versionOf("openssl", "version").replace(/ \(.*/, ""),
    versionOf("/usr/sbin/nginx", "-v").replace(/^.*: /, ""),
    versionOf("aria2c", "--version"),
    versionOf("/usr/bin/python3", ...libtorrent),
    `webtorrent ${WEBTORRENT_VERSION}`,
  ];
  return [found.filter((line) => line !== "" && !line.includes("Error")).join(", ")];
}

function ratesTable(results: readonly Result[], sizeBytes: number): string {
  const head = ["contender", "wall s", "MB/s", "CPU s/GiB", "seeders' CPU s/GiB", "peak RSS MB"];
  const gibibytes = sizeBytes / 2 ** 30;
  const rows = results.map(({ contender, runs }) => [
    contender.name,
    spread(runs.map(wall), 2),
    (sizeBytes / 1e6 / median(runs.map(wall))).toFixed(0),
    spread(
      runs.map((run) => run.cpuSeconds / gibibytes),
      2,
    ),
    spread(
      runs.map((run) => run.seedersCpuSeconds / gibibytes),
      2,
    ),
    (median(runs.map((run) => run.peakRssBytes)) / 1e6).toFixed(0),
  ]);
  return table(head, rows);
}

/** Every bar whose sides were measured, next to what was. */
function barsTable(results: readonly Result[], sizeBytes: number): string {
  const rows = results.flatMap((result) => barRows(result, results, sizeBytes));
  return table(["of the same round", "measured", "bar", ""], rows);
}

function barRows({ contender, runs }: Result, results: readonly Result[], sizeBytes: number): string[][] {
  const { timesAsFast = [], atLeastMiBPerSecond, cpuSecondsPerGiB } = contender.bars ?? {};
  const rows: string[][] = [];
  const add = (what: string, values: readonly number[], digits: number, bar: Bar) =>
    rows.push([what, ...barCells(values, digits, bar)]);
  for (const [than, times] of timesAsFast) {
    const base = results.find((other) => other.contender === than);
    const ratios = runs.map((run, round) => wall(base?.runs[round] ?? run) / wall(run));
    if (base) add(`${contender.name} / ${than.name}`, ratios, 2, { sign: ">=", value: times, unit: "x" });
  }
  if (atLeastMiBPerSecond !== undefined) {
    const rates = runs.map((run) => sizeBytes / 2 ** 20 / wall(run));
    add(contender.name, rates, 0, { sign: ">=", value: atLeastMiBPerSecond, unit: "MiB/s" });
  }
  if (cpuSecondsPerGiB) {
    const gibibytes = sizeBytes / 2 ** 30;
    const { leecher, seeders } = cpuSecondsPerGiB;
    const [own, others] = [runs.map((run) => run.cpuSeconds), runs.map((run) => run.seedersCpuSeconds)];
    const perGiB = (values: number[]) => values.map((seconds) => seconds / gibibytes);
    add(`${contender.name}: CPU`, perGiB(own), 2, { sign: "<=", value: leecher, unit: "s/GiB" });
    add(`${contender.name}: seeder's CPU`, perGiB(others), 2, { sign: "<=", value: seeders, unit: "s/GiB" });
  }
  return rows;
}

const wall = ({ wallSeconds }: Run) => wallSeconds;

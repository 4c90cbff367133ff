import { machineLines, versionOf } from "../support/machine.ts";
import type { BenchOptions } from "../support/options.ts";
import { barCells, median, spread, table } from "../support/table.ts";
import type { PageContender } from "./contender.ts";
import { WEBTORRENT_VERSION } from "./sources.ts";

export interface PageRun {
  readonly seconds: number;
  /** Of all of Chromium's processes. */
  readonly browserCpuSeconds: number;
  readonly seedersCpuSeconds: number;
  /** Of the page's own thread, by the clock; 0 where all were under 50 ms. */
  readonly longestTaskMs: number;
}

const MAX_TASK_MS = 100;

/** A contender and its measured runs, one a round. */
export interface PageResult {
  readonly contender: PageContender;
  readonly runs: PageRun[];
}

/** What was measured, in Markdown. */
export function report(
  results: readonly PageResult[],
  failures: readonly string[],
  { sizeBytes, runs, folder }: BenchOptions,
): string {
  const measured = results.filter((result) => result.runs.length > 0);
  const chromium = versionOf(process.env.PIEZA_TEST_CHROMIUM ?? "/usr/bin/chromium", "--version");
  const parts = [
    ...machineLines(folder),
    `${chromium.trim()}, headless; webtorrent ${WEBTORRENT_VERSION}`,
    `${sizeBytes / 2 ** 20} MiB of random bytes in pieces of 1 MiB, ${runs} interleaved runs; median (min-max)`,
    "",
    ratesTable(measured, sizeBytes),
    "",
    table(
      ["times as fast, in the same round", "measured", "bar", ""],
      measured.flatMap((result) => ratioRows(result, measured)),
    ),
    "",
    table(["longest task of a page's own thread", "in all runs", "bar", ""], measured.flatMap(taskRow)),
  ];
  if (failures.length > 0) parts.push("", "Not measured:", ...failures.map((line) => `- ${line}`));
  return parts.join("\n");
}

function ratesTable(results: readonly PageResult[], sizeBytes: number): string {
  const head = ["a page with", "seconds", "MB/s", "Chromium's CPU s/GiB", "seeders' CPU s/GiB"];
  const gibibytes = sizeBytes / 2 ** 30;
  const rows = results.map(({ contender, runs }) => {
    const spreadOf = (value: (run: PageRun) => number) => spread(runs.map(value), 2);
    return [
      contender.name,
      spreadOf(({ seconds }) => seconds),
      (sizeBytes / 1e6 / median(runs.map(({ seconds }) => seconds))).toFixed(0),
      spreadOf(({ browserCpuSeconds }) => browserCpuSeconds / gibibytes),
      spreadOf(({ seedersCpuSeconds }) => seedersCpuSeconds / gibibytes),
    ];
  });
  return table(head, rows);
}

function ratioRows({ contender, runs }: PageResult, results: readonly PageResult[]): string[][] {
  return (contender.timesAsFast ?? []).flatMap(([than, bar]) => {
    const base = results.find((other) => other.contender === than)?.runs;
    if (!base) return [];
    // Some are measured in the first rounds only.
    const ratios = base.slice(0, runs.length).map((run, round) => run.seconds / runs[round]!.seconds);
    const cells =
      bar === undefined
        ? [`${spread(ratios, 2)} x`, "", ""]
        : barCells(ratios, 2, { sign: ">=", value: bar, unit: "x" });
    return [[`${contender.name} / ${than.name}`, ...cells]];
  });
}

/** Of what the project sets itself bars for. */
function taskRow({ contender, runs }: PageResult): string[][] {
  if (!contender.timesAsFast?.some(([, bar]) => bar !== undefined)) return [];
  const longestMs = Math.max(...runs.map(({ longestTaskMs }) => longestTaskMs));
  const measured = longestMs === 0 ? "under 50 ms" : `${longestMs.toFixed(0)} ms`;
  return [[contender.name, measured, `< ${MAX_TASK_MS} ms`, longestMs < MAX_TASK_MS ? "met" : "missed"]];
}

/**
 * Trackers over the loopback: pieza against bittorrent-tracker, opentracker, the seed's tracker and the library's own
 * handler of the same service. Servers take turns; one process each, one load tool with one thread. Limits are on, and
 * announces come from many addresses. Peers are not called back: those of a bench do not exist.
 */

import { runCommand } from "../../scripts/run-command.ts";
import { ensurePackages, program } from "../../scripts/system-packages.ts";
import { machineLines, versionOf } from "./support/machine.ts";
import { benchOptions, isWanted } from "./support/options.ts";
import { median, spread, table } from "./support/table.ts";
import { Workspace } from "./support/workspace.ts";
import { Contenders } from "./tracker/contenders.ts";
import { makeRows, type Ratio, type Row, ratios } from "./tracker/rows.ts";

const options = benchOptions("node test/bench/tracker.ts: trackers over the loopback.");
const packages = [
  program("wrk", "wrk"),
  program("opentracker", "opentracker"),
  program("nghttp2-client", "h2load"),
  {
    name: "python3-grpcio",
    isPresent: async () => (await runCommand("/usr/bin/python3", ["-c", "import grpc"])).ok,
  },
];
if (!(await ensurePackages(packages, "this benchmark needs"))) process.exit(1);

await Workspace.use(options.folder, async (workspace) => {
  const rows = await makeRows(new Contenders(workspace), workspace, (name) => isWanted(name, options));
  for (const { load } of rows) await load();
  for (let round = 1; round <= options.runs; round++) {
    for (const { name, load, measured } of rows) {
      measured.push(await load());
      console.error(`${round} of ${options.runs}: ${name}: ${measured.at(-1)!.perSecond.toFixed(0)}/s`);
    }
  }
  report(rows);
});

function report(rows: readonly Row[]): void {
  for (const line of machineLines(options.folder)) console.log(line);
  const grpc = versionOf("/usr/bin/python3", "-c", "import grpc; print('grpcio', grpc.__version__)");
  console.log(
    `bittorrent-tracker 11.2.3, opentracker of the system, ${grpc}; ${options.runs} interleaved rounds`,
  );
  const cells = rows.map(({ name, measured }) => {
    const p99Ms = measured.map((load) => load.p99Ms);
    return [
      name,
      spread(
        measured.map(({ perSecond }) => perSecond),
        0,
      ),
      Number.isNaN(p99Ms[0]) ? "" : spread(p99Ms, 1),
      median(measured.map((load) => load.cpuMicrosPerCall)).toFixed(0),
    ];
  });
  console.log(`\n${table(["call", "per second", "p99 ms", "server's CPU µs a call"], cells)}\n`);
  const bars = ratios.flatMap((ratio) => ratioCells(rows, ratio) ?? []);
  console.log(table(["median of the rounds' ratios", "bar", "measured", "by CPU", ""], bars));
}

/** Undefined if one of its rows was not wanted. Each round's two loads ran within a minute of each other. */
function ratioCells(rows: readonly Row[], ratio: Ratio): string[][] | undefined {
  const [row, over] = [ratio.row, ratio.over].map((name) => rows.find((one) => one.name === name)?.measured);
  if (!row || !over) return undefined;
  const times = row.map(({ perSecond }, round) => perSecond / over[round]!.perSecond);
  const byCpu = row.map((load, round) => over[round]!.cpuMicrosPerCall / load.cpuMicrosPerCall);
  const p99 = [row, over].map((loads) => median(loads.map((load) => load.p99Ms)));
  const isSlow = ratio.p99 === true && p99[0]! > p99[1]!;
  const verdict = median(times) < ratio.bar ? "missed" : isSlow ? "missed: p99 is worse" : "met";
  return [
    [
      ratio.what + (ratio.p99 ? ", at no worse p99" : ""),
      `>= ${ratio.bar} x`,
      `${spread(times, 2)} x`,
      `${median(byCpu).toFixed(2)} x`,
      verdict,
    ],
  ];
}

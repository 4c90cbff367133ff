/**
 * 10,000 peers, each with half of 2,048 pieces, that announce every ten seconds over HTTP/1.1 from 1,000 addresses to a
 * `pieza tracker`: how long it takes to answer, how late its event loop is and how much memory it has had since its start.
 * Limits are on, and it calls every peer back. Every tenth heartbeat brings another piece.
 */
import { root } from "../../scripts/run-command.ts";
import { machineLines } from "./support/machine.ts";
import { cpuSecondsOf, peakRssBytesOf } from "./support/proc.ts";
import { barCells, table } from "./support/table.ts";
import { type Running, Workspace } from "./support/workspace.ts";
import { Beats, PEERS_PER_ADDRESS } from "./tracker/beats.ts";
import { startCalledBack } from "./tracker/called-back.ts";

const SECONDS = Number(process.argv[2] ?? 40);

await Workspace.use("/tmp", async (workspace) => {
  const probe = ["--import", `${root}test/bench/tracker/loop-probe.ts`];
  const flags = ["--port", "0", "--data", workspace.path("data"), "--json"];
  const tracker = workspace.start([
    process.execPath,
    ...probe,
    `${root}server/cli/pieza.js`,
    "tracker",
    ...flags,
  ]);
  const [, url = ""] = await tracker.nextLine(/"event":"listening".*"url":"([^"]+)"/);
  const calledBack = await Promise.all(Array.from({ length: PEERS_PER_ADDRESS }, startCalledBack));
  workspace.onClose(async () => {
    for (const one of calledBack) one.close();
  });
  const beats = await Beats.start(
    url,
    calledBack.map(({ port }) => port),
  );
  await loopP99MsOf(tracker);
  const cpuBefore = cpuSecondsOf([tracker.pid]);
  const { tookMs, failed } = await beats.run(SECONDS);
  const cpuSeconds = cpuSecondsOf([tracker.pid]) - cpuBefore;
  const loopP99Ms = await loopP99MsOf(tracker);
  const peakMiB = peakRssBytesOf(tracker.pid) / 2 ** 20;
  const p99Ms = tookMs.sort((a, b) => a - b)[Math.floor(tookMs.length * 0.99)]!;
  for (const line of machineLines("/tmp")) console.log(line);
  console.log(
    `${tookMs.length} announces in ${SECONDS} s, for which the tracker took ${cpuSeconds.toFixed(1)} s of CPU; while ` +
      `they joined ${beats.putOff} were put off and ${beats.unlisted} not called back at once\n`,
  );
  const bars = [
    ["answer, 99th percentile", ...barCells([p99Ms], 1, { sign: "<", value: 250, unit: "ms" })],
    ["event loop, 99th percentile", ...barCells([loopP99Ms], 1, { sign: "<", value: 50, unit: "ms" })],
    ["memory, peak RSS", ...barCells([peakMiB], 0, { sign: "<", value: 300, unit: "MiB" })],
    ["refused", ...barCells([failed], 0, { sign: "<=", value: 0, unit: "" })],
  ];
  console.log(table(["10,000 peers", "measured", "bar", ""], bars));
});

/** Since it was asked last. */
async function loopP99MsOf({ pid, nextLine }: Running): Promise<number> {
  const told = nextLine(/"loopP99Ms":([\d.]+)/);
  process.kill(pid, "SIGUSR2");
  return Number((await told)[1]);
}

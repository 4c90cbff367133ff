/**
 * 10,000 peers, each with half of 2,048 pieces, that announce every ten seconds over HTTP/1.1 from 1,000 addresses: how
 * long the tracker takes to answer, how late its event loop is and how much memory it has, limits on. Every tenth
 * heartbeat brings another piece.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { root } from "../../scripts/run-command.ts";
import { machineLines } from "./support/machine.ts";
import { cpuSecondsOf, peakRssBytesOf } from "./support/proc.ts";
import { barCells, table } from "./support/table.ts";
import { Beats } from "./tracker/beats.ts";

const SECONDS = Number(process.argv[2] ?? 40);
const server = spawn(process.execPath, [`${root}test/bench/tracker/heartbeat-server.ts`], {
  stdio: ["pipe", "pipe", "inherit"],
});
const lines = createInterface({ input: server.stdout })[Symbol.asyncIterator]();
const next = async () => (await lines.next()).value as string;
try {
  const url = (await next()).replace("listening at ", "");
  const beats = await Beats.start(url);
  server.stdin.write("\n");
  await next();
  const cpuBefore = cpuSecondsOf([server.pid!]);
  const { tookMs, failed } = await beats.run(SECONDS);
  const cpuSeconds = cpuSecondsOf([server.pid!]) - cpuBefore;
  server.stdin.write("\n");
  const { loopP99Ms } = JSON.parse(await next()) as { loopP99Ms: number };
  const peakMiB = peakRssBytesOf(server.pid!) / 2 ** 20;
  const p99Ms = tookMs.sort((a, b) => a - b)[Math.floor(tookMs.length * 0.99)]!;
  for (const line of machineLines("/tmp")) console.log(line);
  console.log(
    `${tookMs.length} announces in ${SECONDS} s, ${failed} refused; the tracker took ${cpuSeconds.toFixed(1)} s of CPU\n`,
  );
  const bars = [
    ["answer, 99th percentile", ...barCells([p99Ms], 1, { sign: "<", value: 250, unit: "ms" })],
    ["event loop, 99th percentile", ...barCells([loopP99Ms], 1, { sign: "<", value: 50, unit: "ms" })],
    ["memory, peak RSS", ...barCells([peakMiB], 0, { sign: "<", value: 300, unit: "MiB" })],
    ["refused", ...barCells([failed], 0, { sign: "<=", value: 0, unit: "" })],
  ];
  console.log(table(["10,000 peers", "measured", "bar", ""], bars));
} finally {
  server.kill("SIGKILL");
  await once(server, "exit");
}

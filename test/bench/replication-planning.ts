/**
 * `node test/bench/replication-planning.ts [volunteers] [torrents] [losses]`, by default 1,000, 10,000 and 3: what keeping
 * copies costs a tracker in each announce, and how much is copied for a peer that is lost. Simulated, in one process: no
 * byte goes over a wire. Takes about a minute.
 */
import { nodeClock } from "../../server/base/node-clock.ts";
import { manyTorrents, type Stage } from "../support/swarms/many-torrents.ts";
import { machineLines } from "./support/machine.ts";
import { table } from "./support/table.ts";

const [volunteers = 1_000, torrents = 10_000, losses = 3] = process.argv.slice(2).map(Number);
const done = await manyTorrents({ volunteers, torrents, losses, workClock: nodeClock });
for (const line of machineLines("/tmp")) console.log(line);
console.log(`${volunteers} volunteers, ${torrents} torrents of 8 pieces, 3 copies of each\n`);
const head = ["", "announces", "mean", "99.9 %", "longest", "pieces copied", "of at least", "ratio", "took"];
const rows = [
  row("first filling", done.filling),
  row("nothing missing", done.quiet),
  ...done.losses.map((stage, n) => row(`peer ${n + 1} lost`, stage)),
];
console.log(table(head, rows));

function row(what: string, { costs, moved, least, tookMs }: Stage): string[] {
  const ratio = least === 0 ? "" : (moved / least).toFixed(2);
  const mean = costs.reduce((sum, ms) => sum + ms, 0) / costs.length;
  const times = [mean, costs[Math.floor(costs.length * 0.999)]!, costs.at(-1)!];
  const copied = [`${moved}`, `${least}`, ratio, `${tookMs / 1_000} s`];
  return [what, `${costs.length}`, ...times.map((ms) => `${ms.toFixed(3)} ms`), ...copied];
}

/**
 * How long `pieza get` takes from the start of its process until it asks a peer for a piece: loading, reading the
 * torrent, making its files, finding the peer. The peer's log says when that is. One piece; --size means nothing here.
 */
import { rm } from "node:fs/promises";
import { ensurePackages, program } from "../../scripts/system-packages.ts";
import { writeRandomFile } from "../support/swarms/local-swarm.ts";
import { machineLines } from "./support/machine.ts";
import { benchOptions } from "./support/options.ts";
import { Pieza } from "./support/pieza.ts";
import { barCells, spread, table } from "./support/table.ts";
import { Workspace } from "./support/workspace.ts";

const PIECE_BYTES = 1 << 20;
const bar = { sign: "<=", value: 250, unit: "ms" } as const;

const options = benchOptions(
  "node test/bench/start-up.ts: from the start of `pieza get` to its first request.",
);
if (!(await ensurePackages([program("time", "time")], "this benchmark needs"))) process.exit(1);

await Workspace.use(options.folder, async (workspace) => {
  const pieza = new Pieza(workspace, options.entry);
  const path = workspace.path("source.bin");
  const output = workspace.path("out.bin");
  await writeRandomFile(path, PIECE_BYTES);
  const file = await pieza.share(path, PIECE_BYTES);
  const swarm = await pieza.swarm(file, 1, ["--port", "0", "--log-requests"]);
  const peer = swarm.peers[0]!.process;

  const measure = async () => {
    const started = performance.now();
    const asked = peer.nextLine(/"event":"piece_request"/).then(() => performance.now() - started);
    const [askedMs, get] = await Promise.all([asked, workspace.run(pieza.get(file, swarm, output))]);
    await rm(output);
    const empty = await workspace.run([process.execPath, "-e", "0"]);
    return { askedMs, wholeMs: get.wallSeconds * 1000, emptyMs: empty.wallSeconds * 1000 };
  };

  await measure();
  const runs = [];
  while (runs.length < options.runs) runs.push(await measure());
  const asked = barCells(
    runs.map(({ askedMs }) => askedMs),
    0,
    bar,
  );
  const whole = runs.map(({ wholeMs }) => wholeMs);
  const empty = runs.map(({ emptyMs }) => emptyMs);
  console.log(machineLines(options.folder).join("\n"));
  console.log(`${options.entry}, ${options.runs} runs; median (min-max)\n`);
  const rows = [
    ["until the first request for a piece", ...asked],
    ["until the end, with a file of one piece", `${spread(whole, 0)} ms`, "", ""],
    ["for comparison: node -e 0, until its end", `${spread(empty, 0)} ms`, "", ""],
  ];
  console.log(table(["pieza get, from the start of its process", "measured", "bar", ""], rows));
});

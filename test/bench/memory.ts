/**
 * The most memory that a leecher and its only seeder take, for one file and for one ten times as large (a sparse one:
 * only its length matters). Both processes are new in every run.
 */
import { mkdir, open, rm } from "node:fs/promises";
import { ensurePackages, program } from "../../scripts/system-packages.ts";
import { writeRandomFile } from "../support/swarms/local-swarm.ts";
import { machineLines } from "./support/machine.ts";
import { benchOptions, isWanted } from "./support/options.ts";
import { Pieza, type SharedFile } from "./support/pieza.ts";
import { peakRssBytesOf } from "./support/proc.ts";
import { barCells, spread, table } from "./support/table.ts";
import { Workspace } from "./support/workspace.ts";

const TIMES_LARGER = 10;
const leecherBar = { sign: "<", value: 180, unit: "MB" } as const;
const seederBar = { sign: "<", value: 250, unit: "MB" } as const;

const options = benchOptions(
  "node test/bench/memory.ts: peak memory of leecher and seeder, for --size and ten times that.",
);
if (!(await ensurePackages([program("time", "time")], "this benchmark needs"))) process.exit(1);

async function writeSparseFile(path: string, length: number): Promise<void> {
  const file = await open(path, "wx");
  await file.truncate(length);
  await file.close();
}

const files = [
  { sizeBytes: options.sizeBytes, what: "random bytes", write: writeRandomFile },
  { sizeBytes: options.sizeBytes * TIMES_LARGER, what: "sparse", write: writeSparseFile },
].map((file) => ({ ...file, name: `${file.sizeBytes / 2 ** 20} MiB, ${file.what}` }));

interface Measured {
  readonly leecherMB: number;
  readonly seederMB: number;
  readonly seconds: number;
}

async function measure(workspace: Workspace, pieza: Pieza, file: SharedFile): Promise<Measured> {
  const output = workspace.path("out.bin");
  const swarm = await pieza.swarm(file);
  const { peakRssBytes, wallSeconds } = await workspace.run(pieza.get(file, swarm, output, "--sync", "none"));
  const seederMB = peakRssBytesOf(swarm.peers[0]!.process.pid) / 1e6;
  await swarm.stop();
  await rm(output);
  return { leecherMB: peakRssBytes / 1e6, seederMB, seconds: wallSeconds };
}

await Workspace.use(options.folder, async (workspace) => {
  const pieza = new Pieza(workspace, options.entry);
  const rows: string[][] = [];
  for (const { name, sizeBytes, write } of files.filter((file) => isWanted(file.name, options))) {
    const folder = workspace.path(String(sizeBytes));
    await mkdir(folder);
    await write(`${folder}/source.bin`, sizeBytes);
    const file = await pieza.share(`${folder}/source.bin`, sizeBytes);
    const runs: Measured[] = [];
    while (runs.length < options.runs) {
      runs.push(await measure(workspace, pieza, file));
      console.error(`${name}: ${runs.length} of ${options.runs}: ${JSON.stringify(runs.at(-1))}`);
    }
    const column = (key: keyof Measured) => runs.map((run) => run[key]);
    const wall = spread(column("seconds"), 2);
    rows.push([`${name}: leecher`, ...barCells(column("leecherMB"), 0, leecherBar), wall]);
    rows.push([`${name}: seeder`, ...barCells(column("seederMB"), 0, seederBar), wall]);
  }
  console.log(machineLines(options.folder).join("\n"));
  console.log(`${options.runs} runs; median (min-max)\n`);
  console.log(table(["peak RSS", "measured", "bar", "", "download, s"], rows));
});

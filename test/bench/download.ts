/**
 * One file over the loopback onto the disk: pieza against curl, aria2c, libtorrent, webtorrent and the stock library.
 * Every contender is a whole process, timed from its start to its end; they take turns, so that a slow minute of the
 * machine is everybody's.
 */
import { execFile } from "node:child_process";
import { mkdir, rm } from "node:fs/promises";
import { basename } from "node:path";
import { promisify } from "node:util";
import { messageOf } from "#core/base/errors.ts";
import { ensurePackages, program } from "../../scripts/system-packages.ts";
import { writeRandomFile } from "../support/swarms/local-swarm.ts";
import type { Contender, Prepared } from "./download/contender.ts";
import { contenders } from "./download/ours.ts";
import { type Result, report } from "./download/report.ts";
import { Sources } from "./download/sources.ts";
import { benchOptions, isWanted } from "./support/options.ts";
import { Pieza } from "./support/pieza.ts";
import { cpuSecondsOf } from "./support/proc.ts";
import { Workspace } from "./support/workspace.ts";

const options = benchOptions("node test/bench/download.ts: one file over the loopback onto the disk.");
const wanted = contenders.filter(({ name }) => isWanted(name, options));
const packages = new Map(wanted.flatMap((one) => one.packages ?? []).map((one) => [one.name, one]));
packages.set("time", program("time", "time"));
if (!(await ensurePackages([...packages.values()], "this benchmark needs"))) process.exit(1);

type Entry = Result & { readonly prepared: Prepared };

await Workspace.use(options.folder, async (workspace) => {
  const failures: string[] = [];
  const say = (text: string) => console.error(text);
  const fail = (name: string, error: unknown) => {
    failures.push(`${name}: ${messageOf(error)}`);
    say(`${name}: ${messageOf(error)}`);
  };

  const path = workspace.path("source.bin");
  await writeRandomFile(path, options.sizeBytes);
  const pieza = new Pieza(workspace, options.entry);
  const sources = new Sources(workspace, pieza, await pieza.share(path, options.sizeBytes));

  const entries: Entry[] = [];
  const prepare = async (contender: Contender) => {
    say(`starting what "${contender.name}" needs`);
    entries.push({ contender, prepared: await contender.prepare(sources), runs: [] });
  };
  for (const contender of wanted) await prepare(contender).catch((error) => fail(contender.name, error));

  const outputFolder = workspace.path("out");
  const output = workspace.path("out", basename(path));
  const run = async ({ prepared, runs, contender }: Entry, round: number) => {
    await rm(outputFolder, { recursive: true, force: true });
    await mkdir(outputFolder);
    const before = cpuSecondsOf(prepared.pids);
    const cost = await workspace.run(prepared.command(output));
    const seedersCpuSeconds = cpuSecondsOf(prepared.pids) - before;
    say(`${round} of ${options.runs}: ${contender.name}: ${cost.wallSeconds.toFixed(2)} s`);
    if (round > 0) runs.push({ ...cost, seedersCpuSeconds });
    else await promisify(execFile)("cmp", [path, output]);
  };

  // Round 0 warms the page cache, is compared with the source and does not count.
  for (let round = 0; round <= options.runs; round++) {
    for (const entry of [...entries]) {
      await run(entry, round).catch((error) => {
        fail(entry.contender.name, error);
        entries.splice(entries.indexOf(entry), 1);
      });
    }
  }
  await rm(outputFolder, { recursive: true, force: true });
  console.log(report(entries, failures, options));
});

/**
 * A file from a gateway with curl, beside `pieza get` of the same file from the same peers: with an empty cache, then
 * with the whole file in the cache. Each run has a new gateway, as each `pieza get` is a new process. `pieza get`
 * writes the file to the disk and so does the gateway, into its cache; curl writes nowhere. Then the gateway's memory
 * for the file and for one with a quarter of its length.
 */
import { execFile } from "node:child_process";
import { mkdir, rm } from "node:fs/promises";
import { promisify } from "node:util";
import { contentPath } from "#core/content/content-path.ts";
import { ensurePackages, program } from "../../scripts/system-packages.ts";
import { readTorrentJson, writeRandomFile } from "../support/swarms/local-swarm.ts";
import { machineLines, versionOf } from "./support/machine.ts";
import { benchOptions, isWanted } from "./support/options.ts";
import { Pieza, type SharedFile, type Swarm, warmUp } from "./support/pieza.ts";
import { cpuSecondsOf, peakRssBytesOf } from "./support/proc.ts";
import { barCells, spread, table } from "./support/table.ts";
import { Workspace } from "./support/workspace.ts";

const TIMES_SMALLER = 4;
const rateBar = { sign: ">=", value: 0.8, unit: "x" } as const;
const memoryBar = { sign: "<=", value: 1.2, unit: "x" } as const;

const options = benchOptions("node test/bench/gateway.ts: curl from a gateway beside pieza get.");
const needed = [program("time", "time"), program("curl", "curl")];
if (!(await ensurePackages(needed, "this benchmark needs"))) process.exit(1);

interface Run {
  readonly getSeconds: number;
  readonly getCpuSeconds: number;
  readonly uncachedSeconds: number;
  readonly cachedSeconds: number;
  /** Of the gateway alone. */
  readonly uncachedCpuSeconds: number;
  readonly cachedCpuSeconds: number;
  readonly getRssBytes: number;
  readonly gatewayRssBytes: number;
}

/** Files, the peers that have them, and the catalog that names them. */
class Bench {
  readonly pieza: Pieza;
  readonly #workspace: Workspace;
  readonly #published = new Set<SharedFile>();
  #catalogUrl = "";

  constructor(workspace: Workspace) {
    this.#workspace = workspace;
    this.pieza = new Pieza(workspace, options.entry);
  }

  async start(): Promise<void> {
    const catalog = this.#workspace.start(this.pieza.command("catalog", "--port", "0", "--json", "--open"));
    [, this.#catalogUrl = ""] = await catalog.nextLine(/"event":"listening".*"url":"([^"]+)"/);
  }

  async share(sizeBytes: number): Promise<SharedFile> {
    const folder = this.#workspace.path(String(sizeBytes));
    await mkdir(folder);
    const path = `${folder}/source-${sizeBytes}.bin`;
    await writeRandomFile(path, sizeBytes);
    const file = await this.pieza.share(path, sizeBytes);
    await this.#workspace.run(this.pieza.command("publish", file.torrent, "--catalog", this.#catalogUrl));
    this.#published.add(file);
    return file;
  }

  /** Peers that have checked all of the file. */
  async swarm(file: SharedFile, count: number): Promise<Swarm> {
    const swarm = await this.pieza.swarm(file, count);
    const { info_hash, total_pieces } = await readTorrentJson(file.torrent);
    for (const peer of swarm.peers) await warmUp(peer, info_hash, total_pieces);
    return swarm;
  }

  /** `pieza get`, then curl from a new gateway twice. With `compare` the outputs are compared with the source. */
  async run(file: SharedFile, swarm: Swarm, compare: boolean): Promise<Run> {
    const output = this.#workspace.path("out.bin");
    const measured = async (command: readonly string[]) => {
      const cost = await this.#workspace.run(command);
      if (compare) await promisify(execFile)("cmp", [file.path, output]);
      await rm(output, { force: true });
      return cost;
    };
    const got = await measured(this.pieza.get(file, swarm, output, "--sync", "none"));
    const flags = ["--port", "0", "--catalog", this.#catalogUrl, "--tracker", swarm.trackerUrl];
    const command = this.pieza.command("gateway", "--json", ...flags);
    const gateway = this.#workspace.start(command);
    const [, base = ""] = await gateway.nextLine(/"event":"listening".*"url":"([^"]+)"/);
    const { info_hash, file_name } = await readTorrentJson(file.torrent);
    const curl = [
      "curl",
      "-sSf",
      "-o",
      compare ? output : "/dev/null",
      `${base}${contentPath(info_hash, [file_name], false)}`,
    ];
    const cpu = () => cpuSecondsOf([gateway.pid]);
    const beforeCpu = cpu();
    const uncached = await measured(curl);
    const uncachedCpu = cpu();
    const cached = await measured(curl);
    const run = {
      getSeconds: got.wallSeconds,
      getCpuSeconds: got.cpuSeconds,
      uncachedSeconds: uncached.wallSeconds,
      cachedSeconds: cached.wallSeconds,
      uncachedCpuSeconds: uncachedCpu - beforeCpu,
      cachedCpuSeconds: cpu() - uncachedCpu,
      getRssBytes: got.peakRssBytes,
      gatewayRssBytes: peakRssBytesOf(gateway.pid),
    };
    // Its cache stays until the end of the bench: ext4 makes files slowly for five seconds after it has deleted many.
    await gateway.stop();
    return run;
  }

  /** One run that is compared and does not count, then --runs of them. */
  async runs(name: string, file: SharedFile, count: number): Promise<readonly Run[]> {
    const swarm = await this.swarm(file, count);
    const runs: Run[] = [];
    for (let round = 0; round <= options.runs; round++) {
      const run = await this.run(file, swarm, round === 0);
      console.error(`${name}: ${round} of ${options.runs}: ${JSON.stringify(run)}`);
      if (round > 0) runs.push(run);
    }
    await swarm.stop();
    return runs;
  }
}

function rateRows(
  name: string,
  runs: readonly Run[],
  sizeBytes: number,
): { costs: string[][]; bars: string[][] } {
  const GiB = sizeBytes / 2 ** 30;
  const cost = (label: string, seconds: (run: Run) => number, cpu: (run: Run) => number) => [
    `${label}, ${name}`,
    spread(runs.map(seconds), 2),
    (sizeBytes / 1e6 / seconds(middleOf(runs, seconds))).toFixed(0),
    spread(
      runs.map((run) => cpu(run) / GiB),
      2,
    ),
  ];
  const bar = (label: string, seconds: (run: Run) => number) => [
    `${label} / pieza get, ${name}`,
    ...barCells(
      runs.map((run) => run.getSeconds / seconds(run)),
      2,
      rateBar,
    ),
  ];
  return {
    costs: [
      cost(
        "pieza get",
        (run) => run.getSeconds,
        (run) => run.getCpuSeconds,
      ),
      cost(
        "gateway, uncached",
        (run) => run.uncachedSeconds,
        (run) => run.uncachedCpuSeconds,
      ),
      cost(
        "gateway, cached",
        (run) => run.cachedSeconds,
        (run) => run.cachedCpuSeconds,
      ),
    ],
    bars: [
      bar("gateway, uncached", (run) => run.uncachedSeconds),
      bar("gateway, cached", (run) => run.cachedSeconds),
    ],
  };
}

function middleOf(runs: readonly Run[], key: (run: Run) => number): Run {
  return runs.toSorted((a, b) => key(a) - key(b))[runs.length >> 1]!;
}

await Workspace.use(options.folder, async (workspace) => {
  const bench = new Bench(workspace);
  await bench.start();
  const file = await bench.share(options.sizeBytes);
  const costs: string[][] = [];
  const bars: string[][] = [];
  let large: readonly Run[] = [];
  for (const count of [1, 4]) {
    const name = count === 1 ? "1 peer" : `${count} peers`;
    if (!isWanted(name, options)) continue;
    const runs = await bench.runs(name, file, count);
    const rows = rateRows(name, runs, options.sizeBytes);
    costs.push(...rows.costs);
    bars.push(...rows.bars);
    if (large.length === 0) large = runs;
  }
  const memory: string[][] = [];
  if (isWanted("memory", options)) {
    const smallBytes = Math.ceil(options.sizeBytes / TIMES_SMALLER);
    const small = await bench.runs("memory", await bench.share(smallBytes), 1);
    if (large.length === 0) large = await bench.runs("memory", file, 1);
    const rss = (runs: readonly Run[]) => runs.map(({ gatewayRssBytes }) => gatewayRssBytes / 1e6);
    const ratios = rss(large).map((value, at) => value / rss(small)[at]!);
    for (const [sizeBytes, runs] of [
      [smallBytes, small],
      [options.sizeBytes, large],
    ] as const)
      memory.push([`gateway, ${sizeBytes / 2 ** 20} MiB`, `${spread(rss(runs), 0)} MB`, "", ""]);
    memory.push(["the larger / the smaller", ...barCells(ratios, 2, memoryBar)]);
  }
  console.log(machineLines(options.folder).join("\n"));
  console.log(
    `${versionOf("curl", "--version")}; ${options.sizeBytes / 2 ** 20} MiB; ${options.runs} rounds; median (min-max)\n`,
  );
  console.log(table(["contender", "wall s", "MB/s", "CPU s/GiB"], costs));
  console.log(`\n${table(["of the same round", "measured", "bar", ""], bars)}`);
  if (memory.length > 0) console.log(`\n${table(["peak RSS", "measured", "bar", ""], memory)}`);
});

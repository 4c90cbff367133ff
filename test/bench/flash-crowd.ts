/**
 * Many want what one has: a seeder with 20 MB/s, eight leechers that start at once and serve each other while they
 * download. Alone the seeder would need eight times as long as for one.
 */
import { execFile } from "node:child_process";
import { mkdir, rm } from "node:fs/promises";
import { promisify } from "node:util";
import { ensurePackages, program } from "../../scripts/system-packages.ts";
import { metric, writeRandomFile } from "../support/swarms/local-swarm.ts";
import { startDelayProxy } from "./delay-proxy.ts";
import { machineLines } from "./support/machine.ts";
import { benchOptions } from "./support/options.ts";
import { Pieza, type SharedFile, type Swarm } from "./support/pieza.ts";
import { spread, table } from "./support/table.ts";
import { freePort, Workspace } from "./support/workspace.ts";

const LEECHERS = 8;
const BYTES_PER_SECOND = 20e6;

const options = benchOptions("node test/bench/flash-crowd.ts: one slow seeder, eight leechers.", 64);
if (!(await ensurePackages([program("time", "time")], "this benchmark needs"))) process.exit(1);

/** What keeps the seeder slow: its own flag if it has one, else a proxy in front of it. */
async function limitSeeder(workspace: Workspace, pieza: Pieza): Promise<{ how: string; flags: string[] }> {
  if (pieza.hasFlag("peer", "--limit-upload")) {
    const limit = `${BYTES_PER_SECOND / 1e6}MB`;
    return { how: `--limit-upload ${limit}`, flags: ["--port", "0", "--limit-upload", limit] };
  }
  const port = await freePort();
  const proxy = await startDelayProxy({ targetPort: port, bytesPerSecond: BYTES_PER_SECOND });
  workspace.onClose(() => proxy.close());
  return { how: "a proxy before it", flags: ["--port", String(port), "--public-url", proxy.url] };
}

/** What the seeder would need if nobody helped it. */
const aloneSeconds = (sizeBytes: number) => (LEECHERS * sizeBytes) / BYTES_PER_SECOND;

interface Measured {
  /** Seconds from the start of the crowd. */
  readonly first: number;
  readonly last: number;
  /** How often the file left the seeder. */
  readonly copies: number;
}

async function measure(
  workspace: Workspace,
  pieza: Pieza,
  file: SharedFile,
  swarm: Swarm,
): Promise<Measured> {
  const folder = workspace.path("out");
  await mkdir(folder);
  const sentBytes = () => metric(swarm.peers[0]!.url, "pieza_piece_bytes_sent_total");
  const before = await sentBytes();
  const timeoutMs = 60_000 + 2_000 * aloneSeconds(file.sizeBytes);
  const leecher = async (number: number) => {
    const output = `${folder}/${number}.bin`;
    const get = pieza.get(file, swarm, output, "--sync", "none");
    const { wallSeconds } = await workspace.run(get, timeoutMs);
    return { output, seconds: wallSeconds };
  };
  const done = await Promise.all(Array.from({ length: LEECHERS }, (_, number) => leecher(number)));
  const copies = ((await sentBytes()) - before) / file.sizeBytes;
  for (const { output } of done) await promisify(execFile)("cmp", [file.path, output]);
  await rm(folder, { recursive: true });
  const seconds = done.map((one) => one.seconds);
  return { first: Math.min(...seconds), last: Math.max(...seconds), copies };
}

await Workspace.use(options.folder, async (workspace) => {
  const pieza = new Pieza(workspace, options.entry);
  const path = workspace.path("source.bin");
  await writeRandomFile(path, options.sizeBytes);
  const file = await pieza.share(path, options.sizeBytes);
  const { how, flags } = await limitSeeder(workspace, pieza);
  const runs: Measured[] = [];
  while (runs.length < options.runs) {
    // A tracker and a seeder of its own for every run: nobody is left over from the one before.
    const swarm = await pieza.swarm(file, 1, flags);
    runs.push(await measure(workspace, pieza, file, swarm));
    await swarm.stop();
    console.error(`${runs.length} of ${options.runs}: ${JSON.stringify(runs.at(-1))}`);
  }
  const alone = aloneSeconds(options.sizeBytes);
  const gains = runs.map(({ last }) => alone / last);
  console.log(machineLines(options.folder).join("\n"));
  console.log(
    `${options.sizeBytes / 2 ** 20} MiB, 1 seeder with ${BYTES_PER_SECOND / 1e6} MB/s (${how}), ` +
      `${LEECHERS} leechers; ${options.runs} runs; median (min-max)\n`,
  );
  const rows = [
    [
      "first leecher done, s",
      spread(
        runs.map(({ first }) => first),
        2,
      ),
      `>= ${(alone / LEECHERS).toFixed(2)}`,
    ],
    [
      "last leecher done, s",
      spread(
        runs.map(({ last }) => last),
        2,
      ),
      `${alone.toFixed(2)} by the seeder alone`,
    ],
    ["times as fast as the seeder alone", spread(gains, 2), `<= ${LEECHERS}`],
    [
      "copies that the seeder sent",
      spread(
        runs.map(({ copies }) => copies),
        2,
      ),
      `>= 1, ${LEECHERS} alone`,
    ],
  ];
  console.log(table(["flash crowd", "measured", "what is possible"], rows));
});

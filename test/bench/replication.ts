/**
 * `node test/bench/replication.ts`: twelve peers keep three copies of every piece of 256 MiB while two of them are
 * killed at once, and two more after the repair. Prints what happened when, and draws it: docs/replication.svg.
 * Takes about four minutes.
 */
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { root } from "../../scripts/run-command.ts";
import type { PiezaProcess } from "../support/processes/pieza-process.ts";
import { CopiesWatch, fewest, most } from "../support/swarms/copies.ts";
import { LocalSwarm, writeRandomFile } from "../support/swarms/local-swarm.ts";
import { drawCopies, type Moment } from "./replication/draw-copies.ts";
import { machineLines } from "./support/machine.ts";

const name = "file.bin";
const totalPieces = 256;
const target = 3;
const peersAtFirst = 12;
/** No step takes so long; one that does hangs. */
const STEP_MS = 240_000;

const swarm = await LocalSwarm.start();
const moments: Moment[] = [];
let watch: CopiesWatch | undefined;
try {
  watch = await run();
  const { samples } = watch;
  for (const line of machineLines(swarm.folder)) console.log(line);
  for (const { atMs, what } of moments) console.log(`${(atMs / 1_000).toFixed(1).padStart(7)} s  ${what}`);
  const afterFirst = samples.filter(({ atMs }) => atMs >= moments[0]!.atMs);
  console.log(
    `copies of a piece: ${Math.min(...afterFirst.map(fewest))} to ${Math.max(...samples.map(most))}`,
  );
  const path = join(root, "docs", "replication.svg");
  await writeFile(path, drawCopies(samples, moments, { target, totalPieces }));
  console.log(`drawn in ${path}`);
} finally {
  await watch?.stop();
  await swarm.stop();
}

async function run(): Promise<CopiesWatch> {
  await writeRandomFile(swarm.path(name), totalPieces << 20);
  await swarm.publish(name, "--replication-target", String(target));
  const { trackerUrl, catalogUrl, trackerFlag } = swarm;
  // Downloaders have pieces for a while too.
  const own = new Set<string>();
  const counts = (url: string) => own.has(url);
  const copies = new CopiesWatch({ trackerUrl, fileName: name, totalPieces, counts });
  const note = (what: string) => moments.push({ atMs: copies.nowMs, what });
  const whole = (what: string) =>
    copies
      .until(what, (sample) => fewest(sample) >= target, STEP_MS)
      .then(({ atMs }) => moments.push({ atMs, what }));

  const seeder = await swarm.peer("seeder", name);
  own.add(await seeder.url());
  const peers = new Map<string, PiezaProcess>();
  for (let n = 0; n < peersAtFirst; n++) {
    const flags = ["--volunteer", "1GiB", "--port", "0", "--catalog", catalogUrl, ...trackerFlag];
    const peer = swarm.run(`volunteer-${n}`, ["peer", ...flags]);
    peers.set(await peer.url(), peer);
    own.add(await peer.url());
  }
  await whole("three copies of everything");
  seeder.kill("SIGTERM");
  await seeder.finished(STEP_MS);
  note("the seeder has left");
  await whole("whole again");
  const alone = await download("nobody repairs");
  for (const round of ["two killed", "two more killed"]) {
    const victims = [...peers].filter(([url]) => copies.last!.holders.includes(url)).slice(0, 2);
    for (const [url, peer] of victims) {
      peer.kill("SIGKILL");
      peers.delete(url);
    }
    note(round);
    const urls = victims.map(([url]) => url);
    const gone = await copies.until(
      "gone",
      ({ holders }) => !urls.some((url) => holders.includes(url)),
      STEP_MS,
    );
    moments.push({ atMs: gone.atMs, what: "their leases end" });
    const [meanwhile] = await Promise.all([download("it is repaired"), whole("whole again")]);
    console.log(`a download keeps ${(alone / meanwhile).toFixed(2)} of its rate during repairs`);
  }
  return copies;
}

/** Seconds that a user waits for the file, from the start of the process to its end. */
async function download(when: string): Promise<number> {
  // What is there already is not downloaded.
  await rm(swarm.path("got.bin"), { force: true });
  const startMs = performance.now();
  const out = ["-o", swarm.path("got.bin"), "--sync", "none"];
  await swarm.done("user", ["get", swarm.path(`${name}.json`), ...out, ...swarm.trackerFlag]);
  const seconds = (performance.now() - startMs) / 1_000;
  console.log(`a download of all while ${when}: ${seconds.toFixed(2)} s`);
  return seconds;
}

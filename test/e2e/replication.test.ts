import { afterEach, beforeEach, expect, it } from "vitest";
import type { PiezaProcess } from "../support/processes/pieza-process.ts";
import { CopiesWatch, fewest, most } from "../support/swarms/copies.ts";
import { LocalSwarm, sha256sum, writeRandomFile } from "../support/swarms/local-swarm.ts";

const MiB = 1 << 20;
const name = "file.bin";
const target = 3;
/** A lease, and the sweep that finds that it is over. */
const LEASE_MS = 31_000;
/** What a repair may take from then on; the machine is shared, so a test waits for longer and prints. */
const REPAIR_MS = 60_000;

let swarm: LocalSwarm;
let watch: CopiesWatch | undefined;
/** Downloaders have pieces too, which nobody ordered. */
const own = new Set<string>();
beforeEach(async () => {
  own.clear();
  swarm = await LocalSwarm.start();
});
afterEach(async () => {
  await watch?.stop();
  watch = undefined;
  await swarm.stop();
});

/** A torrent that wants three copies, and the peer that has the first. */
async function seed(size: number): Promise<PiezaProcess> {
  await writeRandomFile(swarm.path(name), size);
  await swarm.publish(name, "--replication-target", String(target));
  watch = new CopiesWatch({
    trackerUrl: swarm.trackerUrl,
    fileName: name,
    totalPieces: Math.ceil(size / MiB),
    counts: (url) => own.has(url),
  });
  const seeder = await swarm.peer("seeder", name);
  own.add(await seeder.url());
  return seeder;
}

async function volunteers(count: number): Promise<Map<string, PiezaProcess>> {
  const flags = ["--volunteer", "1GiB", "--port", "0", "--catalog", swarm.catalogUrl, ...swarm.trackerFlag];
  const started = Array.from({ length: count }, (_, n) => swarm.run(`volunteer-${n}`, ["peer", ...flags]));
  // One that the tracker does not know yet is nobody to hand anything over to.
  for (const peer of started)
    await peer.line("known to the tracker", (line) => line.event === "announced" && line.listed === true);
  const peers = new Map(await Promise.all(started.map(async (peer) => [await peer.url(), peer] as const)));
  for (const url of peers.keys()) own.add(url);
  return peers;
}

const getFlags = () => [
  ...["get", swarm.path(`${name}.json`), "-o", swarm.path("got.bin")],
  ...swarm.trackerFlag,
];

const replicated = () =>
  watch!.until("every piece has its copies", (sample) => fewest(sample) >= target, LEASE_MS + 3 * REPAIR_MS);

const quiet = () => watch!.quiet(3 * REPAIR_MS);

/**
 * Kills two of those that hold something, in one moment, and waits until the copies are there again. What is copied for
 * that is little more than what they had.
 */
async function killTwo(peers: Map<string, PiezaProcess>): Promise<void> {
  const before = await quiet();
  // What was copied last is in the next sample.
  const { atMs } = watch!.last!;
  const { held } = await watch!.until("another look", (sample) => sample.atMs > atMs, REPAIR_MS);
  const victims = [...held.keys()]
    .filter((url) => peers.has(url))
    .sort(() => Math.random() - 0.5)
    .slice(0, 2);
  expect(victims).toHaveLength(2);
  const lostBytes = victims.reduce((sum, url) => sum + held.get(url)! * MiB, 0);
  const killedMs = watch!.nowMs;
  for (const url of victims) peers.get(url)!.kill("SIGKILL");
  for (const url of victims) peers.delete(url);
  const gone = await watch!.until(
    "the tracker lets go of both",
    ({ holders }) => !victims.some((url) => holders.includes(url)),
    2 * LEASE_MS,
  );
  const whole = await replicated();
  const copiedBytes = (await quiet()).bytesCopied - before.bytesCopied;
  console.log(
    `killed 2 of ${peers.size + 2}: gone after ${seconds(gone.atMs - killedMs)}, whole ${seconds(whole.atMs - gone.atMs)} later, ` +
      `${copiedBytes / MiB} MiB copied for ${lostBytes / MiB} MiB lost`,
  );
  expect(copiedBytes, "bytes copied for those that were lost").toBeLessThanOrEqual(1.2 * lostBytes);
}

const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;

it("twelve peers keep three copies of every piece while two are killed, and two more", async () => {
  const seeder = await seed(256 * MiB);
  const peers = await volunteers(12);
  await replicated();
  // From here on nobody has the whole file.
  seeder.kill("SIGTERM");
  expect(await seeder.finished(120_000), seeder.text).toBe(0);
  await replicated();
  const from = watch!.samples.length;
  await killTwo(peers);
  const get = swarm.run("leecher", getFlags());
  await killTwo(peers);
  const samples = watch!.samples.slice(from);
  expect(Math.min(...samples.map(fewest)), "copies of the rarest piece at any moment").toBeGreaterThan(0);
  expect(Math.max(...samples.map(most)), "copies of the most common piece").toBeLessThanOrEqual(target + 1);
  expect(await get.finished(120_000), get.text).toBe(0);
  expect(await sha256sum(swarm.path("got.bin"))).toBe(await sha256sum(swarm.path(name)));
}, 600_000);

it("the last holder of 256 MiB leaves, and nothing is lost", async () => {
  const seeder = await seed(256 * MiB);
  // Volunteers that have nothing yet: all of it has to be handed over while the seeder drains.
  await volunteers(3);
  seeder.kill("SIGTERM");
  expect(await seeder.finished(180_000), seeder.text).toBe(0);
  const get = await swarm.done("leecher", getFlags());
  expect(await sha256sum(swarm.path("got.bin")), get.text).toBe(await sha256sum(swarm.path(name)));
}, 400_000);

it("a tracker that is killed and restarted empty orders nothing that is there already", async () => {
  await seed(64 * MiB);
  const peers = await volunteers(4);
  await replicated();
  await swarm.restartTracker();
  await watch!.until("the copies are known again", (sample) => fewest(sample) >= target, 120_000);
  // Two intervals of volunteers later nobody has been told to copy what is there.
  const settled = watch!.nowMs + 10_000;
  await watch!.until("ten seconds have passed", ({ atMs }) => atMs > settled, 30_000);
  expect(most(watch!.last!)).toBeLessThanOrEqual(target + 1);
  expect(peers.size).toBe(4);
}, 400_000);

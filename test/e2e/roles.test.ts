import { afterEach, beforeEach, expect, it } from "vitest";
import { freePort } from "../support/free-port.ts";
import type { PiezaProcess } from "../support/processes/pieza-process.ts";
import { CopiesWatch } from "../support/swarms/copies.ts";
import { LocalSwarm, sha256sum, writeRandomFile } from "../support/swarms/local-swarm.ts";

const MiB = 1 << 20;
const totalPieces = 64;
const name = "file.bin";

/** One peer of three processes, beside a seeder of what it is to copy. */
let swarm: LocalSwarm;
let watch: CopiesWatch;
let port: string;
let url: string;
const parts = new Map<string, PiezaProcess>();
beforeEach(async () => {
  swarm = await LocalSwarm.start();
  await writeRandomFile(swarm.path(name), totalPieces * MiB);
  await swarm.publish(name, "--replication-target", "2");
  port = String(await freePort());
  url = `http://127.0.0.1:${port}`;
  // The copies of the peer under test alone.
  const { trackerUrl } = swarm;
  watch = new CopiesWatch({ trackerUrl, fileName: name, totalPieces, counts: (peer) => peer === url });
});
afterEach(async () => {
  await watch.stop();
  await swarm.stop();
  parts.clear();
});

const flagsOf = {
  serve: () => [],
  announce: () => swarm.trackerFlag,
  replicate: () => ["--volunteer", "1GiB", "--limit-copies", "4MiB", "--catalog", swarm.catalogUrl],
};

async function start(role: keyof typeof flagsOf): Promise<void> {
  const part = swarm.run("parts", ["peer", "--role", role, "--port", port, ...flagsOf[role]()]);
  parts.set(role, part);
  const ready = role === "serve" ? "listening" : "working";
  await part.line(ready, ({ event }) => event === ready);
}

async function kill(role: string): Promise<void> {
  await parts.get(role)!.stop();
}

const copied = (pieces: number) =>
  watch.until(`${pieces} pieces copied`, (sample) => (sample.pieces[1] ?? 0) >= pieces, 120_000);

it("a peer of three processes copies, serves and announces, whichever of them is killed and started again", async () => {
  const seeder = await swarm.peer("seeder", name);
  for (const role of ["serve", "announce", "replicate"] as const) await start(role);

  await copied(8);
  await kill("serve");
  // The other two go on: what is copied now is there when the serving part is back.
  await start("serve");
  await copied(16);
  await kill("announce");
  await start("announce");
  await copied(24);
  await kill("replicate");
  await start("replicate");
  await copied(totalPieces);

  // All of it comes from the three alone.
  await seeder.stop();
  const get = swarm.run("leecher", [
    "get",
    swarm.path(`${name}.json`),
    "-o",
    swarm.path("got.bin"),
    ...swarm.trackerFlag,
  ]);
  expect(await get.finished(90_000), get.text).toBe(0);
  expect(await sha256sum(swarm.path("got.bin"))).toBe(await sha256sum(swarm.path(name)));
}, 300_000);

it("what is copied already is served and announced while nobody replicates", async () => {
  await swarm.peer("seeder", name);
  for (const role of ["serve", "announce", "replicate"] as const) await start(role);
  await copied(8);
  await kill("replicate");
  await kill("serve");
  await start("serve");
  const { pieces } = await copied(8);
  expect(pieces[1]).toBeLessThan(totalPieces);
}, 200_000);

import { afterEach, beforeEach, expect, it } from "vitest";
import { LocalSwarm, metric, sent, sha256sum, writeRandomFile } from "../support/swarms/local-swarm.ts";

const MiB = 1 << 20;
const name = "file.bin";

let swarm: LocalSwarm;
beforeEach(async () => {
  swarm = await LocalSwarm.start();
  await writeRandomFile(swarm.path(name), 64 * MiB + 1);
  await swarm.publish(name);
});
afterEach(() => swarm.stop());

const startGet = () =>
  swarm.run("leecher", [
    "get",
    swarm.path(`${name}.json`),
    "-o",
    swarm.path("got.bin"),
    ...swarm.trackerFlag,
  ]);

async function expectWhole(): Promise<void> {
  expect(await sha256sum(swarm.path("got.bin"))).toBe(await sha256sum(swarm.path(name)));
}

it("a peer that joins a running download is asked too, and completes it", async () => {
  const half = await swarm.peer("half", name, "1-32");
  const get = startGet();
  await half.until("its half sent", () => sent(half).length >= 32);
  const rest = await swarm.peer("rest", name, "33-65");
  expect(await get.finished(60_000), get.text).toBe(0);
  await expectWhole();
  expect(await metric(await rest.url(), "pieza_piece_requests_total")).toBe(33);
});

it("a peer that was killed takes up its lease after a restart and serves again", async () => {
  const first = await swarm.peer("seeder", name);
  const { port } = new URL(await first.url());
  await first.stop();
  const second = await swarm.peer("seeder", name, undefined, port);
  expect(new URL(await second.url()).port).toBe(port);
  const get = startGet();
  expect(await get.finished(60_000), get.text).toBe(0);
  await expectWhole();
});

it("a tracker restarted empty knows its peers again, and nobody had to be restarted", async () => {
  await swarm.peer("seeder", name);
  await swarm.restartTracker();
  const get = startGet();
  expect(await get.finished(60_000), get.text).toBe(0);
  await expectWhole();
});

it("a download goes on without its tracker", async () => {
  const seeder = await swarm.peer("seeder", name);
  const get = startGet();
  await seeder.until("the first piece sent", () => sent(seeder).length > 0);
  await swarm.stopTracker();
  expect(await get.finished(60_000), get.text).toBe(0);
  await expectWhole();
});

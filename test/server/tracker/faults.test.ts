import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Announcer, type AnnouncerStatus } from "#core/announce/announcer.ts";
import { Bitfield } from "#core/base/bitfield.ts";
import { PiezaError } from "#core/base/errors.ts";
import type { Lease } from "#core/ports/tracker.ts";
import { seededRandom } from "../../support/swarms/fake-swarm.ts";
import { infoHash, RouterTracker } from "../../support/swarms/router-tracker.ts";

const swarm = { infoHash: infoHash("a"), totalPieces: 8 };
const LEASE_MS = 30_000;

let tracker: RouterTracker;
let announcers: Announcer[];
let statuses: AnnouncerStatus[];
const random = seededRandom(1);

beforeEach(() => {
  tracker = new RouterTracker(undefined, { random });
  announcers = [];
  statuses = [];
});
afterEach(async () => {
  vi.useRealTimers();
  const stopped = Promise.all(announcers.map((announcer) => announcer.stop()));
  await tracker.clock.tick(2_000);
  await stopped;
  await tracker.close();
  expect(tracker.defects).toEqual([]);
  expect(tracker.clock.pending, "timers left").toBe(0);
});

function peer(port: number, leases = new Map<number, Lease>()) {
  const link = { ...tracker.remote() };
  const announcer = new Announcer({
    tracker: link,
    clock: tracker.clock,
    random,
    address: () => ({ port, tls: false, identifyKey: new Uint8Array(32).fill(port) }),
    leases: { load: async () => leases.get(port), save: async (lease) => void leases.set(port, lease) },
    onStatus: (status) => statuses.push(status),
  });
  announcer.update({ ...swarm, fileName: "file", revision: 1, bitfield: Bitfield.full(8) });
  announcer.start();
  announcers.push(announcer);
  /** Nothing reaches the tracker any more, as after SIGKILL. */
  const kill = () => {
    link.announce = () => Promise.reject(new PiezaError("unavailable", "killed"));
  };
  return { announcer, kill };
}
const peers = async () => {
  const known = await tracker.store.swarm(swarm);
  return known?.members.map(({ url }) => Number(new URL(url).port)).sort() ?? [];
};

it("a tracker that is down at the start and up after 5 s knows the peer by 10 s, after at most 12 tries", async () => {
  tracker.up = false;
  peer(1);
  await tracker.clock.tick(5_000);
  tracker.up = true;
  await tracker.clock.tick(5_000);
  expect(await peers()).toEqual([1]);
  expect(tracker.missed).toBeGreaterThan(2);
  expect(tracker.missed + tracker.calls).toBeLessThanOrEqual(12);
});

it("a tracker that dies for good is tried for ever, and told of once a minute", async () => {
  peer(1);
  await tracker.clock.tick(1_000);
  tracker.up = false;
  await tracker.clock.tick(10 * 60_000);
  const warnings = statuses.filter(({ state }) => state === "failing").length;
  expect(warnings).toBeGreaterThanOrEqual(9);
  expect(warnings).toBeLessThanOrEqual(10);
  expect(tracker.missed).toBeGreaterThan(120);
});

it("a peer that cannot reach its tracker for 20 s keeps its lease, and goes on with it", async () => {
  const leases = new Map<number, Lease>();
  peer(1, leases);
  await tracker.clock.tick(11_000);
  const before = leases.get(1);
  expect(before).toBeDefined();
  tracker.up = false;
  for (let second = 0; second < 20; second++) {
    await tracker.clock.tick(1_000);
    expect(await peers()).toEqual([1]);
  }
  tracker.up = true;
  await tracker.clock.tick(LEASE_MS);
  expect(await peers()).toEqual([1]);
  expect(leases.get(1)).toEqual(before);
});

it("a tracker that restarts with nothing knows all five peers again within 12 s", async () => {
  for (let port = 1; port <= 5; port++) peer(port);
  await tracker.clock.tick(25_000);
  expect(await peers()).toEqual([1, 2, 3, 4, 5]);
  await tracker.restart();
  expect(await peers()).toEqual([]);
  await tracker.clock.tick(12_000);
  expect(await peers()).toEqual([1, 2, 3, 4, 5]);
});

it("a jump of the wall clock ends no lease and stops no heartbeat", async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  peer(1);
  await tracker.clock.tick(1_000);
  for (const jumpMs of [3_600_000, -3_600_000, -86_400_000, 0]) {
    vi.setSystemTime(Date.now() + jumpMs);
    for (let n = 0; n < 8; n++) {
      await tracker.clock.tick(10_000);
      expect(await peers()).toEqual([1]);
    }
  }
  await tracker.clock.tick(0);
});

it("a peer that is killed leaves within its lease and a sweep", async () => {
  const { kill } = peer(1);
  peer(2);
  await tracker.clock.tick(1_000);
  kill();
  await tracker.clock.tick(LEASE_MS + 1_000);
  expect(await peers()).toEqual([2]);
});

it("a peer that is killed and comes back takes up its lease", async () => {
  const leases = new Map<number, Lease>();
  const { kill } = peer(1, leases);
  await tracker.clock.tick(1_000);
  const before = leases.get(1);
  kill();
  await tracker.clock.tick(3_000);
  peer(1, leases);
  await tracker.clock.tick(1_000);
  expect(leases.get(1)).toEqual(before);
  expect(await peers()).toEqual([1]);
  await tracker.clock.tick(LEASE_MS);
  expect(await peers()).toEqual([1]);
});

it("DRAINING takes a peer out of answers and STOPPED out of the swarm", async () => {
  const { announcer: leaving } = peer(1);
  peer(2);
  await tracker.clock.tick(1_000);
  const drained = leaving.drain();
  await tracker.clock.tick(0);
  await drained;
  const table = await tracker.remote().locate(swarm, AbortSignal.timeout(5_000));
  expect(table.peers.map(({ url }) => url)).toEqual(["http://127.0.0.1:2"]);
  expect(await peers()).toEqual([1, 2]);
  const stopped = leaving.stop();
  await tracker.clock.tick(0);
  await stopped;
  expect(await peers()).toEqual([2]);
});

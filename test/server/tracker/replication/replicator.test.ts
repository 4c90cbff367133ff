import { randomUUID } from "node:crypto";
import { Registry } from "prom-client";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Clock } from "#core/base/clock.ts";
import { ReplicationMetrics } from "../../../../server/tracker/metrics/replication-metrics.ts";
import { Replicator } from "../../../../server/tracker/replication/replicator.ts";
import { defaultTrackerLimits } from "../../../../server/tracker/store/limits.ts";
import { MemorySwarmStore } from "../../../../server/tracker/store/memory/memory-swarm-store.ts";
import { RedisSwarmStore } from "../../../../server/tracker/store/redis/redis-swarm-store.ts";
import type { SwarmStore } from "../../../../server/tracker/store/swarm-store.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { RedisServer } from "../../../support/processes/redis-server.ts";
import { seededRandom } from "../../../support/swarms/fake-swarm.ts";
import { manyTorrents } from "../../../support/swarms/many-torrents.ts";
import { infoHash } from "../../../support/swarms/router-tracker.ts";
import {
  SETTLED_MS,
  VolunteerWorld,
  type VolunteerWorldOptions,
} from "../../../support/swarms/volunteer-world.ts";

const LEASE_MS = 30_000;
const key = { infoHash: infoHash("1"), totalPieces: 256 };
const limits = { maxLeasesPerAddress: Number.POSITIVE_INFINITY };

let redis: RedisServer;
beforeAll(async () => {
  redis = await RedisServer.start();
});
afterAll(() => redis.kill());

let clock: FakeClock;
let stores: SwarmStore[];
beforeEach(() => {
  clock = new FakeClock();
  stores = [];
});
afterEach(async () => {
  for (const store of stores) await store.close();
});

const kinds = {
  memory: () => new MemorySwarmStore(clock, limits),
  redis: () =>
    new RedisSwarmStore({
      url: redis.url,
      clock,
      limits,
      now: () => clock.now(),
      prefix: `${randomUUID()}:`,
    }),
};

function fresh(kind: keyof typeof kinds = "memory"): SwarmStore {
  const store = kinds[kind]();
  stores.push(store);
  return store;
}

/** So many volunteers, of which the first has everything, brought to the target. */
async function swarm(
  count: number,
  options: VolunteerWorldOptions,
  store = fresh(),
): Promise<VolunteerWorld> {
  const world = new VolunteerWorld(clock, store, options);
  for (let n = 0; n < count; n++) world.add();
  world.give(world.peers[0]!, key);
  await world.pass(SETTLED_MS + 4_000);
  await world.converge([key], 120_000);
  await world.pass(15_000);
  return world;
}

/** Of the peers that live, so many at random. */
function kill(world: VolunteerWorld, count: number) {
  const killed = [];
  for (let n = 0; n < count; n++) {
    const { live, options } = world;
    const peer = live[Math.floor(options.random() * live.length)]!;
    world.kill(peer);
    killed.push(peer);
  }
  return killed;
}

describe.each(Object.keys(kinds) as (keyof typeof kinds)[])("over a store in %s", (kind) => {
  it.each([1, 2, 3])(
    "two of twelve at random, then two more: no piece without a holder, back within 60 s, seed %i",
    {
      timeout: 120_000,
    },
    async (seed) => {
      const world = await swarm(12, { target: 3, random: seededRandom(seed), trackers: 2 }, fresh(kind));
      expect(Math.max(...world.copies(key)), "no overshoot at the first filling").toBeLessThanOrEqual(4);
      for (let round = 0; round < 2; round++) {
        kill(world, 2);
        const least = world.missing(key);
        const before = world.moved;
        const watch = () => {
          expect(Math.min(...world.copies(key))).toBeGreaterThan(0);
          expect(Math.max(...world.copies(key))).toBeLessThanOrEqual(4);
        };
        const tookMs = await world.converge([key], LEASE_MS + 60_000, watch);
        await world.pass(10_000, watch);
        expect(tookMs).toBeLessThan(LEASE_MS + 60_000);
        expect(world.moved - before).toBeLessThanOrEqual(1.2 * least);
      }
    },
  );
});

it("begins to repair within 5 s of the lease's end", async () => {
  const world = await swarm(12, { target: 3, random: seededRandom(7) });
  kill(world, 1);
  const before = world.moved;
  await world.pass(LEASE_MS - 4_800);
  expect(world.moved + world.orders).toBe(before);
  await world.pass(4_800 + 5_000);
  expect(world.moved + world.orders).toBeGreaterThan(before);
});

it("a tracker that was restarted empty orders nothing before everybody could come back, and then nothing that is there", async () => {
  const world = await swarm(12, { target: 3, random: seededRandom(4) });
  const before = world.moved;
  world.restart(fresh());
  await world.pass(60_000, () => expect(world.orders).toBe(0));
  expect(world.moved).toBe(before);
});

it("a tracker that was restarted empty in the middle of a repair makes only what is missing", async () => {
  const world = await swarm(12, { target: 3, random: seededRandom(5) });
  world.pace = 4;
  kill(world, 3);
  await world.pass(LEASE_MS + 8_000);
  expect(world.orders).toBeGreaterThan(0);
  expect(world.missing(key)).toBeGreaterThan(0);
  world.restart(fresh());
  await world.pass(8_000);
  const least = world.missing(key);
  const before = world.moved;
  await world.pass(SETTLED_MS - 9_000, () => expect(world.orders).toBe(0));
  await world.converge([key], 300_000);
  expect(world.moved - before).toBeLessThanOrEqual(1.2 * least);
});

it("peers that go and return again and again move next to nothing", async () => {
  const world = await swarm(12, { target: 3, random: seededRandom(6) });
  for (let round = 0; round < 6; round++) {
    const [guest] = kill(world, 1);
    await world.pass(LEASE_MS + 3_000);
    world.revive(guest!);
    await world.pass(20_000);
  }
  expect(Math.max(...world.copies(key))).toBeLessThanOrEqual(5);
  const before = world.moved;
  await world.pass(60_000);
  expect(world.moved).toBe(before);
  expect(world.orders).toBe(0);
});

it.each([1, 2, 3, 4])(
  "ten of thirty at once: lost is what only they had, it is named, the rest is at its target again, seed %i",
  async (seed) => {
    const world = await swarm(30, { target: 3, random: seededRandom(seed) });
    // The first one had everything: without it each piece is with three others or fewer.
    world.kill(world.peers[0]!);
    kill(world, 9);
    const gone = [...world.copies(key)].flatMap((count, index) => (count === 0 ? [index + 1] : []));
    await world.pass(LEASE_MS + 10_000);
    await world.converge([key], 120_000);
    expect([...world.copies(key)].flatMap((count, index) => (count === 0 ? [index + 1] : []))).toEqual(gone);
    const named = world.log.filter(({ event }) => event === "pieces_lost");
    if (gone.length === 0) expect(named).toEqual([]);
    else expect(named.at(-1)?.pieces).toEqual(rangesOf(gone));
  },
);

function rangesOf(numbers: readonly number[]): string[] {
  const ranges: [number, number][] = [];
  for (const number of numbers) {
    const before = ranges.at(-1);
    if (before && before[1] === number - 1) before[1] = number;
    else ranges.push([number, number]);
  }
  return ranges.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`));
}

it("200 volunteers and 2,000 torrents: all come to their copies, and a peer that is lost costs its own copies", {
  timeout: 300_000,
}, async () => {
  const { filling, losses } = await manyTorrents({ volunteers: 200, torrents: 2_000, losses: 3 });
  for (const { moved, least } of [filling, ...losses]) {
    expect(least).toBeGreaterThan(0);
    expect(moved).toBeLessThanOrEqual(1.2 * least);
  }
});

it("a look ends after 5 ms of work, and the next one goes on where it ended", async () => {
  const store = fresh();
  const world = new VolunteerWorld(clock, store, { target: 1, random: seededRandom(9) });
  const peer = world.add();
  const keys = Array.from({ length: 100 }, (_, n) => n.toString(16).padStart(64, "0"));
  for (const infoHash of keys) world.give(peer, { infoHash, totalPieces: 8 });
  await world.announce(peer);
  const lent = (await store.find(peer.leaseId!))!;
  const { volunteer: _, ...lease } = lent;
  let readings = 0;
  const workClock = { now: () => readings++, after: () => () => {} };
  const looked: string[] = [];
  const book = store.orders.book.bind(store.orders);
  store.orders.book = (key) => {
    looked.push(key.infoHash);
    return book(key);
  };
  const replicator = replicatorOver(store, workClock);
  for (let announce = 1; announce <= 20; announce++) {
    await replicator.announced({ event: "heartbeat", torrents: [], left: [] }, lease);
    expect(looked).toHaveLength(5 * announce);
    await clock.tick(1_000);
  }
  expect(looked.toSorted()).toEqual(keys);
});

function replicatorOver(store: SwarmStore, workClock: Clock): Replicator {
  const targets = { replicationTarget: 1, maxReplicationTarget: 1 };
  const metrics = new ReplicationMetrics(new Registry());
  return new Replicator({ store, clock: workClock, limits: defaultTrackerLimits, targets, metrics });
}

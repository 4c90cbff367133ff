import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { MemorySwarmStore } from "../../../server/tracker/memory-swarm-store.ts";
import { RedisSwarmStore } from "../../../server/tracker/redis-swarm-store.ts";
import type { SwarmStore } from "../../../server/tracker/swarm-store.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { RedisServer } from "../../support/redis-server.ts";
import { infoHash } from "../../support/router-tracker.ts";
import { SETTLED_MS, VolunteerWorld, type VolunteerWorldOptions } from "../../support/volunteer-world.ts";

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

/** The same numbers in every run. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
}

describe.each(Object.keys(kinds) as (keyof typeof kinds)[])("over a store in %s", (kind) => {
  it.each([1, 2, 3])(
    "two of twelve at random, then two more: no piece without a holder, back within 60 s, seed %i",
    {
      timeout: 120_000,
    },
    async (seed) => {
      const world = await swarm(12, { target: 3, random: seeded(seed), trackers: 2 }, fresh(kind));
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
  const world = await swarm(12, { target: 3, random: seeded(7) });
  kill(world, 1);
  const before = world.moved;
  await world.pass(LEASE_MS - 4_800);
  expect(world.moved + world.orders).toBe(before);
  await world.pass(4_800 + 5_000);
  expect(world.moved + world.orders).toBeGreaterThan(before);
});

it("a tracker that was restarted empty orders nothing before everybody could come back, and then nothing that is there", async () => {
  const world = await swarm(12, { target: 3, random: seeded(4) });
  const before = world.moved;
  world.restart(fresh());
  await world.pass(60_000, () => expect(world.orders).toBe(0));
  expect(world.moved).toBe(before);
});

it("a tracker that was restarted empty in the middle of a repair makes only what is missing", async () => {
  const world = await swarm(12, { target: 3, random: seeded(5) });
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
  const world = await swarm(12, { target: 3, random: seeded(6) });
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
    const world = await swarm(30, { target: 3, random: seeded(seed) });
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

it("200 volunteers and 2,000 torrents: an announce costs little, and a peer that is lost costs its own copies", {
  timeout: 300_000,
}, async () => {
  const random = seeded(8);
  const world = new VolunteerWorld(clock, fresh(), { target: 3, random });
  world.pace = 1_000;
  for (let n = 0; n < 200; n++) world.add();
  const keys = Array.from({ length: 2_000 }, (_, n) => ({
    infoHash: n.toString(16).padStart(64, "0"),
    totalPieces: 8,
  }));
  for (const [n, key] of keys.entries()) world.give(world.peers[n % 200]!, key);
  await world.pass(SETTLED_MS + 4_000);
  const tookMs = await world.converge(keys, 1_200_000);
  expect(world.moved).toBeLessThanOrEqual(1.2 * 2 * 8 * keys.length);
  console.info(
    `2,000 torrents at their target after ${tookMs / 1_000} s, ${costOf(world)} while they came there`,
  );
  await world.pass(8_000);
  Object.assign(world.cost, { longest: 0, sum: 0, count: 0 });
  await world.pass(8_000);
  console.info(`${costOf(world)} when nothing is missing`);
  for (let loss = 0; loss < 3; loss++) {
    Object.assign(world.cost, { longest: 0, sum: 0, count: 0 });
    kill(world, 1);
    const least = keys.reduce((sum, key) => sum + world.missing(key), 0);
    const before = world.moved;
    await world.pass(LEASE_MS + 2_000);
    await world.converge(keys, 60_000);
    await world.pass(6_000);
    console.info(
      `a peer lost: ${world.moved - before} pieces moved of ${least} that had to, ${costOf(world)}`,
    );
    expect(world.moved - before).toBeLessThanOrEqual(1.2 * least);
  }
});

function costOf({ cost }: VolunteerWorld): string {
  const { longest, sum, count } = cost;
  return `${(sum / count).toFixed(3)} ms an announce, the longest ${longest.toFixed(1)} ms`;
}

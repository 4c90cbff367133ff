import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Clock } from "#core/base/clock.ts";
import { FailureVotes } from "../../../../server/tracker/store/failure-votes.ts";
import { MemorySwarmStore } from "../../../../server/tracker/store/memory/memory-swarm-store.ts";
import { RedisSwarmStore } from "../../../../server/tracker/store/redis/redis-swarm-store.ts";
import { failureVotesContract } from "../../../contract/failure-votes.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { RedisServer } from "../../../support/processes/redis-server.ts";

const LIAR = "http://127.1.0.1:7000";

let redis: RedisServer;
let prefix: string;
let stores: RedisSwarmStore[] = [];

beforeAll(async () => {
  redis = await RedisServer.start();
});
afterAll(() => redis.kill());

/** One more replica of the tracker with this prefix. */
function replica(clock: Clock): FailureVotes {
  const store = new RedisSwarmStore({ url: redis.url, clock, prefix });
  stores.push(store);
  return new FailureVotes(clock, store.votes);
}

async function closeStores(): Promise<void> {
  await Promise.all(stores.map((store) => store.close()));
  stores = [];
}

failureVotesContract("of a tracker by itself", async (clock) => {
  const store = new MemorySwarmStore(clock);
  return { replicas: [new FailureVotes(clock)], stores: [store], close: () => store.close() };
});
failureVotesContract("of three replicas over one Redis", async (clock) => {
  prefix = `${randomUUID()}:`;
  return { replicas: [replica(clock), replica(clock), replica(clock)], stores, close: closeStores };
});

describe("replicas that share reports of failing peers", () => {
  afterEach(closeStores);

  function report(votes: FailureVotes, caller: string, url = LIAR): void {
    votes.report([{ url, infoHash: "a".repeat(64), kind: "unreachable" }], `lease of ${caller}`, caller);
  }

  /** Until this replica says so, its time moving on. */
  async function becomesSuspect(votes: FailureVotes, clock: FakeClock, url = LIAR): Promise<void> {
    const look = async () => {
      await clock.tick(1_000);
      return votes.version > 0 && votes.isSuspect(url);
    };
    await expect.poll(look, { timeout: 20_000 }).toBe(true);
  }

  it("one that starts later knows what the others were told", async () => {
    prefix = `${randomUUID()}:`;
    const clock = new FakeClock();
    const first = replica(clock);
    for (let n = 0; n < 3; n++) report(first, `127.3.${n}.1`);
    await becomesSuspect(first, clock);
    await becomesSuspect(replica(clock), clock);
  });

  it("while Redis is away each counts what it is told, and they count together again when it is back with nothing", async () => {
    prefix = `${randomUUID()}:`;
    const clock = new FakeClock();
    const [one, two] = [replica(clock), replica(clock)];
    for (let n = 0; n < 3; n++) report(one, `127.4.${n}.1`, "http://127.1.0.1:1");
    await becomesSuspect(two, clock, "http://127.1.0.1:1");
    await redis.kill();
    for (let n = 0; n < 3; n++) report(one, `127.3.${n}.1`);
    expect(one.isSuspect(LIAR)).toBe(true);
    await clock.tick(5_000);
    expect(two.isSuspect(LIAR)).toBe(false);
    await redis.restart();
    const url = "http://127.1.0.1:2";
    let networks = 10;
    const told = async () => {
      // What was told while Redis was away is told to nobody else: new networks tell.
      for (let n = 0; n < 3; n++) report(one, `127.${++networks}.${n}.1`, url);
      await clock.tick(1_000);
      return two.version > 0 && two.isSuspect(url);
    };
    await expect.poll(told, { timeout: 20_000 }).toBe(true);
    expect(one.isSuspect(LIAR), "what it was told is not lost").toBe(true);
  });

  it("pass over what no tracker wrote, and keep no more than they count, for as long as they count it", async () => {
    prefix = `${randomUUID()}:`;
    const clock = new FakeClock();
    const votes = replica(clock);
    const other = redis.client();
    const key = `${prefix}votes`;
    await other.xadd(key, "*", "network", "127.9.9", "something", LIAR);
    await other.xadd(key, "*", "network", "127.9.9", "url", LIAR, "and", "more");
    await other.xadd(key, "*", "network", "127.9.9", "url", "x".repeat(2_049));
    for (let n = 0; n < 3; n++) report(votes, `127.3.${n}.1`);
    await becomesSuspect(votes, clock);
    const garbage = async () => {
      await clock.tick(1_000);
      return stores[0]!.troubles.garbage;
    };
    await expect.poll(garbage, { timeout: 20_000 }).toBe(3);
    expect(await other.pttl(key)).toBeGreaterThan(0);
    expect(await other.pttl(key)).toBeLessThanOrEqual(600_000);
    expect(await other.keys(`${prefix}*127.*`)).toEqual([]);
    other.disconnect();
  });

  it("have nothing to say to each other through a key of another type", async () => {
    prefix = `${randomUUID()}:`;
    const clock = new FakeClock();
    const other = redis.client();
    await other.set(`${prefix}votes`, "something else");
    const votes = replica(clock);
    for (let n = 0; n < 3; n++) report(votes, `127.3.${n}.1`);
    await clock.tick(5_000);
    expect(votes.isSuspect(LIAR)).toBe(true);
    other.disconnect();
  });
});

import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { Bitfield } from "#core/base/bitfield.ts";
import { holderInTurn } from "#core/base/round-robin.ts";
import { locateLoop } from "#core/download/locate-loop.ts";
import type { Announced, Lease, SwarmTable, Tracker } from "#core/ports/tracker.ts";
import { remoteTracker } from "#core/rpc/rpc.ts";
import { nodeClock } from "../../../../../server/base/node-clock.ts";
import { openTransport } from "../../../../../server/http/client/transports.ts";
import { type RunningTracker, startTracker } from "../../../../../server/tracker/tracker.ts";
import { within } from "../../../../support/deadline.ts";
import { RedisServer } from "../../../../support/processes/redis-server.ts";
import { neverBusy } from "../../../../support/swarms/never-busy.ts";
import { infoHash, RouterTracker } from "../../../../support/swarms/router-tracker.ts";
import { trustAllowedNetworks } from "../../../../support/swarms/trust-allowed-networks.ts";

const PIECES = 8;
const AT_ONCE = 20;
const LOCATES = 10_000;
const swarm = { infoHash: infoHash("a"), totalPieces: PIECES };
const HOLDERS = [1_001, 1_002, 1_003, 1_004];

let redis: RedisServer;
let replicas: RunningTracker[];
let clients: Tracker[];
let cleanUp: (() => unknown)[];
const signal = new AbortController().signal;

beforeAll(async () => {
  redis = await RedisServer.start();
});
afterAll(() => redis.kill());
beforeEach(async () => {
  const other = redis.client();
  await other.flushall();
  other.disconnect();
  cleanUp = [];
  replicas = [];
  for (let n = 0; n < 3; n++) {
    const trackerLimits = { locateMs: 500 };
    const options = {
      ...neverBusy,
      port: 0,
      store: redis.url,
      reachability: trustAllowedNetworks,
      trackerLimits,
    };
    replicas.push(await startTracker(options));
  }
  clients = replicas.map(({ url }) => {
    const { transport, close } = openTransport(url, "grpc");
    cleanUp.push(close);
    return remoteTracker({ url, transport });
  });
  for (const [at, port] of HOLDERS.entries()) await join(clients[at % 3]!, port, Bitfield.full(PIECES));
});
afterEach(async () => {
  for (const close of cleanUp) await close();
  await Promise.all(replicas.map((replica) => within(10_000, "a replica closes", replica.close())));
});

function join(tracker: Tracker, port: number, bitfield: Bitfield): Promise<Announced> {
  const address = { port, tls: false, identifyKey: new Uint8Array(32) };
  const torrents = [{ ...swarm, fileName: "file", revision: 1, bitfield }];
  return tracker.announce({ event: "started", address, torrents, left: [] }, signal);
}

/** The port that an answer names first for a piece. */
function firstFor(number: number, { peers, turn }: SwarmTable): number {
  const holders = peers.filter(({ bitfield }) => bitfield.has(number - 1));
  return Number(new URL(holders[holderInTurn(turn, number, holders.length)]!.url).port);
}

/** Three trackers over the same Redis without servers around them: 10,000 answers take seconds. */
function withoutServers(): Tracker[] {
  return replicas.map(() => {
    const replica = new RouterTracker(undefined, { store: redis.url, reachability: trustAllowedNetworks });
    cleanUp.push(() => replica.close());
    return remoteTracker({ url: "http://127.0.0.1", transport: replica.transport() });
  });
}

/** Asks one replica after the other, `between` after every hundred; counts who is named first, for each piece. */
async function count(between: (round: number) => Promise<unknown>): Promise<Map<number, number>[]> {
  clients = withoutServers();
  const counts = Array.from({ length: PIECES }, () => new Map<number, number>());
  for (let round = 0; round < LOCATES / 100; round++) {
    // A few at a time: on a busy machine all at once would be later than a store may answer.
    for (let asked = 0; asked < 100; asked += AT_ONCE) {
      const some = Array.from({ length: AT_ONCE }, (_, n) => clients[(asked + n) % 3]!.locate(swarm, signal));
      for (const table of await Promise.all(some)) {
        for (const [at, count] of counts.entries()) {
          const first = firstFor(at + 1, table);
          count.set(first, (count.get(first) ?? 0) + 1);
        }
      }
    }
    await between(round);
  }
  return counts;
}

it("three trackers over one Redis are one: a peer and its lease are known to all, under one id", async () => {
  expect(new Set(replicas.map(({ trackerId }) => trackerId)).size).toBe(1);
  for (const client of clients) expect((await client.locate(swarm, signal)).peers).toHaveLength(4);
  const { lease, trackerId } = await join(clients[0]!, 2_000, Bitfield.full(PIECES));
  expect(trackerId).toBe(replicas[2]!.trackerId);
  const rest = { lease, torrents: [], left: [] };
  await clients[1]!.announce({ ...rest, event: "heartbeat" }, signal);
  await clients[2]!.announce({ ...rest, event: "stopped" }, signal);
  for (const client of clients) expect((await client.locate(swarm, signal)).peers).toHaveLength(4);
  const wrong: Lease = { id: lease.id, secret: "0".repeat(32) };
  await expect(
    clients[0]!.announce({ ...rest, lease: wrong, event: "heartbeat" }, signal),
  ).rejects.toMatchObject({
    code: "not_found",
  });
});

it("of 10,000 answers each of four holders is named first in a quarter, for every piece", {
  timeout: 60_000,
}, async () => {
  for (const [at, counts] of (await count(async () => {})).entries()) {
    for (const port of HOLDERS) {
      const share = (100 * counts.get(port)!) / LOCATES;
      expect(Math.abs(share - 25), `piece ${at + 1}, ${port}: ${share} %`).toBeLessThan(1);
    }
  }
});

it("and as often as each other while peers that hold parts join and leave", { timeout: 60_000 }, async () => {
  let guests: Lease[] = [];
  const counts = await count(async (round) => {
    for (const lease of guests.splice(0, round % 3)) {
      await clients[round % 3]!.announce({ event: "stopped", lease, torrents: [], left: [] }, signal);
    }
    const bitfield = Bitfield.of(PIECES, [round % PIECES, (3 * round) % PIECES]);
    const { lease } = await join(clients[(round + 1) % 3]!, 3_000 + round, bitfield);
    guests = [...guests, lease].slice(-5);
  });
  for (const [at, byPort] of counts.entries()) {
    const times = HOLDERS.map((port) => byPort.get(port)!);
    const sum = times.reduce((a, b) => a + b);
    for (const [n, time] of times.entries()) {
      const share = (100 * time) / sum;
      expect(Math.abs(share - 25), `piece ${at + 1}, holder ${n + 1}: ${share} %`).toBeLessThan(1);
    }
  }
});

it("a peer that three networks report, each to another replica, is named by each of them after the others", async () => {
  const trackers = replicas.map(() => new RouterTracker(undefined, { store: redis.url }));
  cleanUp.push(() => Promise.all(trackers.map((tracker) => tracker.close())));
  const [liar, honest] = ["http://127.0.0.1:1001", "http://127.0.0.1:1002"];
  const failures = [{ url: liar, infoHash: swarm.infoHash, kind: "unreachable" as const }];
  const named = async (tracker: RouterTracker) => {
    await tracker.clock.tick(1_000);
    return (await tracker.remote().locate(swarm, signal)).peers.map(({ url }) => url);
  };
  for (const [at, tracker] of trackers.entries()) {
    expect(await named(tracker)).toEqual(expect.arrayContaining([liar, honest]));
    const remote = tracker.remote(`127.3.${at}.1`);
    const address = { port: 0, tls: false, identifyKey: new Uint8Array() };
    const { lease } = await remote.announce({ event: "started", address, torrents: [], left: [] }, signal);
    await remote.announce({ event: "heartbeat", lease, torrents: [], left: [], failures }, signal);
  }
  for (const tracker of trackers) {
    const last = async () => (await named(tracker)).at(-1);
    await expect.poll(last, { timeout: 20_000 }).toBe(liar);
    expect(await named(tracker)).toContain(honest);
  }
});

it("one replica dies: who asked it is on another with its next question", { timeout: 60_000 }, async () => {
  const stop = new AbortController();
  let tables = 0;
  const failures: string[] = [];
  const loop = locateLoop(
    {
      trackers: clients,
      swarm,
      clock: nodeClock,
      random: Math.random,
      onTable: () => tables++,
      onFailure: (reason) => failures.push(reason),
    },
    stop.signal,
  );
  const more = async (count: number) => {
    const goal = tables + count;
    while (tables < goal) await new Promise((resolve) => setTimeout(resolve, 10));
  };
  await within(10_000, "a first answer", more(1));
  await replicas[0]!.close();
  const began = Date.now();
  await within(10_000, "two more answers", more(2));
  console.info(`two answers, 500 ms apart, within ${Date.now() - began} ms of a replica's death`);
  expect(failures).toEqual([]);
  stop.abort(new Error("over"));
  await loop;
});

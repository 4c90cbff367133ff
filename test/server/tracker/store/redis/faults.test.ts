import { tmpdir } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Announcer } from "#core/announce/announcer.ts";
import { Bitfield } from "#core/base/bitfield.ts";
import type { PiezaError } from "#core/base/errors.ts";
import type { Tracker } from "#core/ports/tracker.ts";
import { remoteTracker } from "#core/rpc/rpc.ts";
import { nodeClock } from "../../../../../server/base/node-clock.ts";
import { openTransport } from "../../../../../server/http/client/transports.ts";
import { type RunningTracker, startTracker } from "../../../../../server/tracker/tracker.ts";
import { within } from "../../../../support/deadline.ts";
import { PiezaProcess } from "../../../../support/processes/pieza-process.ts";
import { RedisServer } from "../../../../support/processes/redis-server.ts";
import { neverBusy } from "../../../../support/swarms/never-busy.ts";
import { infoHash } from "../../../../support/swarms/router-tracker.ts";
import { trustAllowedNetworks } from "../../../../support/swarms/trust-allowed-networks.ts";

const swarm = { infoHash: infoHash("a"), totalPieces: 8 };
const PEERS = 5;
/** Short, so that two heartbeats are short too. */
const HEARTBEAT_MS = 500;
const limits = { leaseMs: 3 * HEARTBEAT_MS, heartbeatMs: HEARTBEAT_MS };

let redis: RedisServer;
let replicas: RunningTracker[];
let announcers: Announcer[];
/** Failed announces of each announcer, by its port. */
let failures: Map<number, number>;
let cleanUp: (() => unknown)[];
/** That a call took while Redis was away: a second at most, and more where the machine does much else. */
let longestMs: number;
const ANSWER_GUARD_MS = 5 * 1_000;

beforeEach(async () => {
  redis = await RedisServer.start();
  cleanUp = [];
  longestMs = 0;
  replicas = [];
  failures = new Map();
  for (let n = 0; n < 2; n++) {
    const options = {
      ...neverBusy,
      port: 0,
      store: redis.url,
      trackerLimits: limits,
      reachability: trustAllowedNetworks,
    };
    replicas.push(await startTracker(options));
  }
  announcers = Array.from({ length: PEERS }, (_, at) => announcer(replicas[at % 2]!, 50_000 + at));
  for (const replica of replicas) await complete(replica);
});
afterEach(async () => {
  if (longestMs > 0) console.info(`while it was away calls were answered after ${longestMs} ms at most`);
  redis.thaw();
  await Promise.all(announcers.map((announcer) => announcer.stop()));
  for (const close of cleanUp) close();
  await Promise.all(replicas.map((replica) => within(10_000, "a tracker closes", replica.close())));
  await redis.kill();
});

function client({ url }: Pick<RunningTracker, "url">): Tracker {
  const { transport, close } = openTransport(url, "grpc");
  cleanUp.push(close);
  return remoteTracker({ url, transport });
}

function announcer(replica: RunningTracker, port: number): Announcer {
  const tracker = client(replica);
  failures.set(port, 0);
  const announcer = new Announcer({
    tracker: {
      ...tracker,
      announce: (announce, signal) =>
        tracker.announce(announce, signal).catch((error: unknown) => {
          failures.set(port, failures.get(port)! + 1);
          throw error;
        }),
    },
    clock: nodeClock,
    random: Math.random,
    address: () => ({ port, tls: false, identifyKey: new Uint8Array(32).fill(port % 256) }),
    leases: { load: async () => undefined, save: async () => {} },
  });
  announcer.update({ ...swarm, fileName: "file", revision: 1, bitfield: Bitfield.full(8) });
  announcer.start();
  return announcer;
}

/** Two of the shortest heartbeats of a tracker that says nothing of them; an announcer's own pauses are as they always are. */
const TWO_HEARTBEATS_MS = 16_000;

/** Asks until all peers are named; returns how long that took, in ms. */
async function complete(replica: RunningTracker): Promise<number> {
  const tracker = client(replica);
  const began = Date.now();
  for (let named = 0; named < PEERS; ) {
    if (Date.now() - began > 30_000) throw new Error(`only ${named} peers after 30 s`);
    named = await tracker.locate(swarm, AbortSignal.timeout(5_000)).then(
      ({ peers }) => peers.length,
      () => 0,
    );
    await sleep(20);
  }
  return Date.now() - began;
}

/** Resolves once every announcer has failed so many more times, which its heartbeats make it do. */
async function allFail(times: number): Promise<void> {
  const before = new Map(failures);
  const fewest = () => Math.min(...[...failures].map(([port, count]) => count - before.get(port)!));
  await expect.poll(fewest, { timeout: 40_000 }).toBeGreaterThanOrEqual(times);
}

/** Both calls of a replica, many at once: the replica itself says `unavailable`; a call without an answer fails otherwise. */
async function unavailable(replica: Pick<RunningTracker, "url">): Promise<void> {
  const tracker = client(replica);
  const began = Date.now();
  const signal = AbortSignal.timeout(10_000);
  const lease = { id: "x", secret: "y" };
  const calls = Array.from({ length: 20 }, (_, at) =>
    at % 2
      ? tracker.locate(swarm, signal)
      : tracker.announce({ event: "heartbeat", lease, torrents: [], left: [] }, signal),
  );
  const answers = await Promise.allSettled(calls);
  longestMs = Math.max(longestMs, Date.now() - began);
  for (const answer of answers) expect(answer).toMatchObject({ reason: { code: "unavailable" } });
  expect(longestMs, "told so in time").toBeLessThan(ANSWER_GUARD_MS);
}

/** Of an answer about a torrent that nobody has: `not_found` once the tracker can know that. */
async function codeOf(tracker: Pick<RunningTracker, "url">): Promise<string> {
  const nobodys = { infoHash: infoHash("f"), totalPieces: 8 };
  const answer = client(tracker).locate(nobodys, AbortSignal.timeout(5_000));
  return answer.then(
    () => "ok",
    (error: PiezaError) => error.code,
  );
}

describe("a Redis that fails", { timeout: 60_000 }, () => {
  it("killed and back with nothing: every call is told so, and all peers known again by the heartbeats", async () => {
    const id = replicas[0]!.trackerId;
    await redis.kill();
    for (const replica of replicas) await unavailable(replica);
    await allFail(2);
    for (const replica of replicas) await unavailable(replica);
    const metrics = await (await fetch(`${replicas[0]!.url}/metrics`)).text();
    expect(Number(/^pieza_tracker_store_errors (\d+)$/m.exec(metrics)?.[1])).toBeGreaterThan(0);
    expect(metrics).toMatch(/^pieza_tracker_leases Nan$/m);
    await redis.restart();
    const took = await Promise.all(replicas.map(complete));
    console.info(`complete again after ${Math.max(...took)} ms, heartbeats every ${HEARTBEAT_MS} ms`);
    expect(Math.max(...took)).toBeLessThan(TWO_HEARTBEATS_MS);
    expect(replicas.map(({ trackerId }) => trackerId)).toEqual([id, id]);
  });

  it("frozen: the first call and all later ones are told so, and nothing of it piles up", async () => {
    const memory = process.memoryUsage().rss;
    redis.freeze();
    for (let round = 0; round < 5; round++) {
      for (const replica of replicas) await unavailable(replica);
    }
    await allFail(4);
    expect(process.memoryUsage().rss - memory).toBeLessThan(64 << 20);
    redis.thaw();
    const took = await Promise.all(replicas.map(complete));
    console.info(`complete again after ${Math.max(...took)} ms`);
    expect(Math.max(...took)).toBeLessThan(TWO_HEARTBEATS_MS);
  });

  it("killed, back with nothing, frozen and thawed ends no tracker's process", async () => {
    const pieza = new PiezaProcess(["tracker", "--port", "0", "--store", redis.url, "--json"], {
      cwd: tmpdir(),
    });
    cleanUp.push(() => pieza.stop());
    const process = { url: await pieza.url() };
    const works = () => expect.poll(() => codeOf(process), { timeout: 20_000 }).toBe("not_found");
    await redis.kill();
    await unavailable(process);
    await redis.restart();
    await works();
    redis.freeze();
    for (let round = 0; round < 3; round++) await unavailable(process);
    redis.thaw();
    await works();
    pieza.kill("SIGTERM");
    expect(await pieza.finished(20_000)).toBe(0);
  });

  it("that may not be written to is unavailable, and right again when it may", async () => {
    const other = redis.client();
    cleanUp.push(() => other.disconnect());
    const tracker = client(replicas[0]!);
    const started = { event: "started", torrents: [], left: [] } as const;
    const address = { port: 1, tls: false, identifyKey: new Uint8Array() };
    const announce = () => tracker.announce({ ...started, address }, AbortSignal.timeout(5_000));
    for (const [setting, value, normal] of [
      ["maxmemory", "1", "0"],
      ["min-replicas-to-write", "1", "0"],
    ] as const) {
      await other.config("SET", setting, value);
      await expect(announce(), setting).rejects.toMatchObject({ code: "unavailable" });
      await other.config("SET", setting, normal);
    }
    await other.call("REPLICAOF", "127.0.0.1", "1");
    await expect(announce()).rejects.toMatchObject({ code: "unavailable" });
    await other.call("REPLICAOF", "NO", "ONE");
    for (const replica of replicas) await complete(replica);
  });

  it("not there when a tracker starts: the tracker waits for it, and is a replica like the others", async () => {
    await redis.kill();
    const options = {
      ...neverBusy,
      port: 0,
      store: redis.url,
      trackerLimits: limits,
      reachability: trustAllowedNetworks,
    };
    const late = await startTracker(options);
    replicas.push(late);
    await unavailable(late);
    await redis.restart();
    for (const replica of replicas) await complete(replica);
    expect(new Set(replicas.map(({ trackerId }) => trackerId)).size).toBe(1);
  });
});

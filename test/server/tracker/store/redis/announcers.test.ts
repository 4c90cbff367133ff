import { afterEach, beforeEach, expect, it } from "vitest";
import { Announcer } from "#core/announce/announcer.ts";
import { Bitfield } from "#core/base/bitfield.ts";
import type { Tracker } from "#core/ports/tracker.ts";
import { remoteTracker } from "#core/rpc/rpc.ts";
import { nodeClock } from "../../../../../server/base/node-clock.ts";
import { openTransport } from "../../../../../server/http/client/transports.ts";
import { otherWays } from "../../../../../server/peer/announcing/announcing.ts";
import { type RunningTracker, startTracker } from "../../../../../server/tracker/tracker.ts";
import { within } from "../../../../support/deadline.ts";
import { RedisServer } from "../../../../support/processes/redis-server.ts";
import { neverBusy } from "../../../../support/swarms/never-busy.ts";
import { infoHash } from "../../../../support/swarms/router-tracker.ts";

const swarm = { infoHash: infoHash("a"), totalPieces: 8 };
const PEERS = 4;
/** Short, so that a death is noticed soon. */
const trackerLimits = { leaseMs: 30_000, heartbeatMs: 500 };

/** One announce of a peer, by the way with this number. */
interface Told {
  readonly way: number;
  readonly failed: boolean;
  readonly atMs: number;
}

/** A peer that has been given three ways to one tracker. */
interface Peer {
  readonly announcers: readonly Announcer[];
  readonly told: Told[];
}

let redis: RedisServer;
let replicas: RunningTracker[];
let peers: Peer[];
let cleanUp: (() => unknown)[];
beforeEach(async () => {
  redis = await RedisServer.start();
  cleanUp = [];
  peers = [];
  // Found where it says it is, and with its key, as by dial-back.
  const reachability = { check: async () => ({ listed: true, reason: "", proven: true }) };
  const options = {
    ...neverBusy,
    port: 0,
    store: redis.url,
    trackerLimits,
    reachability,
    rateLimit: false as const,
  };
  replicas = [await startTracker(options), await startTracker(options), await startTracker(options)];
});
afterEach(async () => {
  await Promise.all(
    peers
      .flatMap(({ announcers }) => announcers)
      .map((announcer) => within(10_000, "stops", announcer.stop())),
  );
  for (const close of cleanUp) close();
  await Promise.all(replicas.map((replica) => within(10_000, "a replica closes", replica.close())));
  await redis.kill();
});

function client({ url }: RunningTracker): Tracker {
  const { transport, close } = openTransport(url, "grpc");
  cleanUp.push(close);
  return remoteTracker({ url, transport });
}

function startPeer(port: number): Peer {
  const told: Told[] = [];
  const announcers: Announcer[] = replicas.map((replica, way) => {
    const tracker = client(replica);
    const note = (failed: boolean) => void told.push({ way, failed, atMs: performance.now() });
    return new Announcer({
      tracker: {
        ...tracker,
        announce: async (announce, signal) => {
          const call = tracker.announce(announce, signal);
          call.then(
            () => note(false),
            () => note(true),
          );
          return call;
        },
      },
      clock: nodeClock,
      random: Math.random,
      address: () => ({ port, tls: false, identifyKey: new Uint8Array(32).fill(way + 1) }),
      leases: { load: async () => undefined, save: async () => {} },
      otherWays: otherWays(() => announcers, way),
    });
  });
  for (const announcer of announcers) {
    announcer.update({ ...swarm, fileName: "file", revision: 1, bitfield: Bitfield.full(8) });
    announcer.start();
  }
  return { announcers, told };
}

/** The way that a peer uses, once its last answers all came by it and no other announcer is at work. */
function wayOf({ announcers, told }: Peer): number | undefined {
  const last = told.slice(-3);
  const working = announcers.flatMap((announcer, way) => (announcer.working ? [way] : []));
  const settled = last.length === 3 && last.every(({ way, failed }) => !failed && way === working[0]);
  return settled && working.length === 1 ? working[0] : undefined;
}

/** Resolves once every peer has one way, and that is not this one. */
const settled = (dead?: number) =>
  expect
    .poll(() => peers.map(wayOf).every((way) => way !== undefined && way !== dead), { timeout: 30_000 })
    .toBe(true);

async function named(replica: RunningTracker): Promise<string[]> {
  const { peers } = await client(replica).locate(swarm, AbortSignal.timeout(10_000));
  return peers.map(({ url }) => url).sort();
}

it("a peer that knows three replicas announces to one, and to another as soon as that one is dead", {
  timeout: 90_000,
}, async () => {
  const ports = Array.from({ length: PEERS }, (_, n) => 40_001 + n);
  const urls = ports.map((port) => `http://127.0.0.1:${port}`);
  peers = ports.map(startPeer);
  await settled();
  for (const replica of replicas) expect(await named(replica)).toEqual(urls);

  const dead = wayOf(peers[0]!)!;
  const before = peers.map((peer) => ({ way: wayOf(peer)!, told: peer.told.length }));
  await within(10_000, "the replica dies", replicas[dead]!.close());
  await settled(dead);
  const others = replicas.filter((_, way) => way !== dead);
  for (const replica of others) expect(await named(replica)).toEqual(urls);

  for (const [n, { told }] of peers.entries()) {
    const since = told.slice(before[n]!.told);
    if (before[n]!.way !== dead) {
      expect(new Set(since.map(({ way }) => way)), "who did not announce there").toEqual(
        new Set([before[n]!.way]),
      );
      continue;
    }
    const failure = since.find(({ way, failed }) => way === dead && failed)!;
    const moved = since.find(({ way, failed }) => way !== dead && !failed)!;
    console.info(`announced to another ${Math.round(moved.atMs - failure.atMs)} ms after the first failure`);
  }
});

import { afterEach, beforeEach, expect, it } from "vitest";
import { Announcer } from "#core/announce/announcer.ts";
import { Bitfield } from "#core/base/bitfield.ts";
import type { PiezaError } from "#core/base/errors.ts";
import type { AnnounceEvent } from "#core/ports/tracker.ts";
import { EventLoopDelay, Overload } from "../../../../server/tracker/announce/overload.ts";
import { within } from "../../../support/deadline.ts";
import { seededRandom } from "../../../support/swarms/fake-swarm.ts";
import { infoHash, RouterTracker } from "../../../support/swarms/router-tracker.ts";
import { trustAllowedNetworks } from "../../../support/swarms/trust-allowed-networks.ts";

const PEERS = 1_000;
const swarm = { infoHash: infoHash("a"), totalPieces: 8 };

it.each([
  [0, []],
  [101, ["started"]],
  [201, ["started", "progress", "completed"]],
  [401, ["started", "progress", "completed", "heartbeat"]],
])("a loop that is %i ms late puts off %j", (delayMs, expected) => {
  const overload = new Overload(
    () => delayMs,
    () => 0.5,
  );
  const events = ["started", "progress", "completed", "heartbeat", "draining", "stopped"] as const;
  const shed: AnnounceEvent[] = [];
  for (const event of events) {
    try {
      overload.admit(event);
    } catch (error) {
      expect(error).toMatchObject({ code: "unavailable" });
      const { retryAfterMs } = error as PiezaError;
      expect(retryAfterMs).toBeGreaterThan(2_000);
      expect(retryAfterMs).toBeLessThan(20_000);
      shed.push(event);
    }
  }
  expect(shed).toEqual(expected);
});

it("intervals grow with the delay, a heartbeat's never so far that the lease could end", () => {
  let delayMs = 0;
  const overload = new Overload(
    () => delayMs,
    () => 0.5,
  );
  expect([overload.heartbeatMs(12_000), overload.locateMs(5_000)]).toEqual([12_000, 5_000]);
  delayMs = 50;
  expect([overload.heartbeatMs(12_000), overload.locateMs(5_000)]).toEqual([18_000, 7_500]);
  delayMs = 10_000;
  expect([overload.heartbeatMs(12_000), overload.locateMs(5_000)]).toEqual([18_000, 20_000]);
});

it("the delay of a blocked loop is measured, and forgotten when the loop is free", async () => {
  const loop = new EventLoopDelay();
  try {
    const until = async (what: string, reached: () => boolean, turn: () => void) => {
      while (!reached()) {
        turn();
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      return what;
    };
    const block = () => {
      const end = performance.now() + 150;
      while (performance.now() < end);
    };
    await within(
      20_000,
      "a delay over 100 ms",
      until("late", () => loop.delayMs() > 100, block),
    );
    await within(
      60_000,
      "no such delay",
      until(
        "free",
        () => loop.delayMs() < 100,
        () => {},
      ),
    );
  } finally {
    loop.close();
  }
});

let tracker: RouterTracker;
let announcers: Announcer[];
let delayMs: () => number;
beforeEach(() => {
  const random = seededRandom(3);
  delayMs = () => 0;
  announcers = [];
  tracker = new RouterTracker(undefined, {
    random,
    reachability: trustAllowedNetworks,
    loopDelayMs: () => delayMs(),
    trackerLimits: { maxLeasesPerAddress: 2 * PEERS },
  });
});
afterEach(() => tracker.close());

async function startPeers(): Promise<void> {
  const random = seededRandom(4);
  const remote = tracker.remote();
  for (let n = 0; n < PEERS; n++) {
    const announcer = new Announcer({
      tracker: remote,
      clock: tracker.clock,
      random,
      address: () => ({ port: 1 + n, tls: false, identifyKey: new Uint8Array(32) }),
      leases: { load: async () => undefined, save: async () => {} },
    });
    announcer.update({ ...swarm, fileName: "file", revision: 1, bitfield: Bitfield.full(8) });
    announcer.start();
    announcers.push(announcer);
  }
  await tracker.clock.tick(1_000);
}
const known = async () => (await tracker.store.counts()).leases;

it("1,000 peers that all come while it is busy are put off, come back spread, and none is lost", {
  timeout: 120_000,
}, async () => {
  // Late by half a millisecond for each call of the last second, those put off included: it bears 200.
  const inLastSecond: number[] = [];
  let seen = 0;
  delayMs = () => {
    const now = tracker.clock.now();
    for (; seen < tracker.calls; seen++) inLastSecond.push(now);
    while (inLastSecond.length > 0 && inLastSecond[0]! <= now - 1_000) inLastSecond.shift();
    return inLastSecond.length / 2;
  };
  await startPeers();
  const atOnce = await known();
  expect(atOnce).toBeLessThan(PEERS);
  await tracker.clock.tick(59_000);
  console.info(`${atOnce} of ${PEERS} at once, ${await known()} after a minute`);
  expect(await known()).toBe(PEERS);
});

import { afterEach, beforeEach, expect, it } from "vitest";
import { Announcer, type AnnouncerStatus } from "#core/announce/announcer.ts";
import { Bitfield } from "#core/base/bitfield.ts";
import { PiezaError } from "#core/base/errors.ts";
import type { Announce, Tracker } from "#core/ports/tracker.ts";
import { otherWays } from "../../../../server/peer/announcing/announcing.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { infoHash, RouterTracker } from "../../../support/swarms/router-tracker.ts";

const swarm = { infoHash: infoHash("a"), totalPieces: 8 };

/** One way to a tracker, which can break. */
class Way {
  readonly link: Tracker;
  readonly heard: Announce["event"][] = [];
  broken = false;
  /** It leads nowhere: no answer and no error. */
  silent = false;

  constructor(tracker: Tracker, id?: string) {
    this.link = {
      ...tracker,
      announce: async (announce, signal) => {
        this.heard.push(announce.event);
        if (this.broken) throw new PiezaError("unavailable", "no way");
        if (this.silent) {
          await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
        }
        const answer = await tracker.announce(announce, signal);
        return id === undefined ? answer : { ...answer, trackerId: id };
      },
    };
  }
}

let clock: FakeClock;
let trackers: RouterTracker[];
let announcers: Announcer[];
let failures: AnnouncerStatus[];
beforeEach(() => {
  clock = new FakeClock();
  announcers = [];
  trackers = [];
  failures = [];
});
afterEach(async () => {
  const stopped = Promise.all(announcers.map((announcer) => announcer.stop()));
  await clock.tick(2_000);
  await stopped;
  for (const tracker of trackers) {
    await tracker.close();
    expect(tracker.defects).toEqual([]);
  }
  expect(clock.pending, "timers left").toBe(0);
});

/** A tracker that finds every peer where it says it is. */
function tracker(): RouterTracker {
  const check = async () => ({ listed: true, reason: "", proven: true });
  trackers.push(new RouterTracker(clock, { reachability: { check } }));
  return trackers.at(-1)!;
}

/** One peer that announces by all of these ways. */
function peer(ways: Way[], port = 1): void {
  announcers = ways.map(
    ({ link }, n) =>
      new Announcer({
        tracker: link,
        clock,
        random: () => 0.5,
        address: () => ({ port, tls: false, identifyKey: new Uint8Array(32).fill(n) }),
        leases: { load: async () => undefined, save: async () => {} },
        onStatus: (status) => void (status.state === "failing" && failures.push(status)),
        otherWays: otherWays(() => announcers, n),
      }),
  );
  for (const announcer of announcers) {
    announcer.update({ ...swarm, fileName: "file", revision: 1, bitfield: Bitfield.full(8) });
    announcer.start();
  }
}

const leases = async (of: RouterTracker) => (await of.store.counts()).leases;
const named = async (of: RouterTracker) =>
  (await of.store.swarm(swarm))?.members.filter(({ listed }) => listed).map(({ url }) => url) ?? [];

it("a peer has one lease by three ways to one tracker, and announces by one of them", async () => {
  const one = tracker();
  const ways = [new Way(one.remote()), new Way(one.remote()), new Way(one.remote())];
  peer(ways);
  await clock.tick(15_000);
  const before = ways.map(({ heard }) => heard.length);
  for (let second = 0; second < 240; second++) {
    await clock.tick(1_000);
    expect(await leases(one)).toBe(1);
    expect(await named(one)).toEqual(["http://127.0.0.1:1"]);
  }
  const after = ways.map(({ heard }, n) => heard.length - before[n]!);
  expect(after.filter((count) => count > 2)).toHaveLength(1);
  expect(after.reduce((sum, count) => sum + count)).toBeLessThanOrEqual(240 / 10 + 4);
  expect(failures).toEqual([]);
});

it("when its way breaks it takes another at the next announce, and is named all the time", async () => {
  const one = tracker();
  const ways = [new Way(one.remote()), new Way(one.remote())];
  peer(ways);
  await clock.tick(30_000);
  for (let turn = 0; turn < 4; turn++) {
    const used = announcers.findIndex(({ working }) => working);
    ways[used]!.broken = true;
    for (let second = 0; second < 40; second++) {
      await clock.tick(1_000);
      expect(await named(one)).toEqual(["http://127.0.0.1:1"]);
    }
    expect(announcers[1 - used]!.working).toBe(true);
    ways[used]!.broken = false;
    await clock.tick(40_000);
  }
});

it.each(["broken", "silent"] as const)(
  "a second after the first announce into a %s way, another has answered",
  async (how) => {
    const one = tracker();
    const ways = [new Way(one.remote()), new Way(one.remote()), new Way(one.remote())];
    peer(ways);
    await clock.tick(30_000);
    const used = announcers.findIndex(({ working }) => working);
    const others = announcers.filter((_, n) => n !== used);
    expect(others.some(({ working }) => working)).toBe(false);
    ways[used]![how] = true;
    const before = ways[used]!.heard.length;
    while (ways[used]!.heard.length === before) await clock.tick(10);
    await clock.tick(1_000);
    expect(others.some(({ working }) => working)).toBe(true);
    expect(await named(one)).toEqual(["http://127.0.0.1:1"]);
    await clock.tick(60_000);
    expect([await leases(one), announcers.filter(({ working }) => working).length]).toEqual([1, 1]);
    ways[used]![how] = false;
  },
);

it("ways to different trackers are all used", async () => {
  const [one, two] = [tracker(), tracker()];
  peer([new Way(one.remote()), new Way(two.remote())]);
  await clock.tick(600_000);
  expect([await named(one), await named(two)]).toEqual([["http://127.0.0.1:1"], ["http://127.0.0.1:1"]]);
});

it("a tracker that claims to be another one keeps nobody from that one", async () => {
  const [honest, liar] = [tracker(), tracker()];
  peer([new Way(liar.remote(), honest.trackerId), new Way(honest.remote())]);
  for (let second = 0; second < 600; second++) {
    await clock.tick(1_000);
    expect(await named(honest)).toEqual(["http://127.0.0.1:1"]);
  }
});

it("all ways broken: each is tried again, no more often than a lone one", async () => {
  const one = tracker();
  const ways = [new Way(one.remote()), new Way(one.remote())];
  peer(ways);
  await clock.tick(30_000);
  for (const way of ways) way.broken = true;
  const before = ways.map(({ heard }) => heard.length);
  await clock.tick(60_000);
  for (const [n, { heard }] of ways.entries()) {
    expect(heard.length - before[n]!).toBeGreaterThan(10);
    expect(heard.length - before[n]!).toBeLessThan(60);
  }
  for (const way of ways) way.broken = false;
  await clock.tick(40_000);
  expect(await leases(one)).toBe(1);
});

it("a peer without an address keeps the first way's lease only", async () => {
  const one = tracker();
  peer([new Way(one.remote()), new Way(one.remote())], 0);
  await clock.tick(60_000);
  expect(await leases(one)).toBe(1);
  expect(announcers.map(({ working }) => working)).toEqual([true, false]);
});

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { PeerPlan } from "../simulation/plan.ts";
import { simulate } from "../simulation/simulate.ts";
import { leecher, quietPeer, quietPlan } from "./quiet-plan.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "pieza-faults-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Simulates, and gives the last word of the one leecher, which has the place 0. */
async function download(...args: Parameters<typeof quietPlan>) {
  const result = await simulate(quietPlan(...args), folder);
  const heldAtMs = result.heldAtMs.get(0)!;
  /** How long nothing came after `fromMs`, at most; and until the first piece came then. */
  const stallsMs = (fromMs: number) => {
    const times = [fromMs, ...heldAtMs.filter((atMs) => atMs > fromMs)];
    const pauses = times.slice(1).map((atMs, n) => atMs - times[n]!);
    return { longest: Math.max(...pauses), first: pauses[0]! };
  };
  return { ...result, last: result.downloads.get(0)!, stallsMs };
}

const seeds = (count: number, more: Partial<PeerPlan> = {}): PeerPlan[] =>
  Array.from({ length: count }, () => ({ ...quietPeer, ...more }));
const killed = (fromMs: number, toMs: number) => ({ absences: [{ fromMs, toMs, end: "kill" as const }] });

describe("killed peers", () => {
  it("all but one, at four tenths: the last one completes the download, and only what was in flight came twice", async () => {
    const slow = { rate: 400 };
    const { last, healedInMs, stallsMs } = await download(
      [leecher, ...seeds(3, { ...slow, ...killed(1_700, 60_000) }), ...seeds(1, slow)],
      { healMs: 60_000 },
    );
    expect(healedInMs, "it did not need them back").toBeLessThanOrEqual(0);
    expect(stallsMs(1_700).longest).toBeLessThanOrEqual(2_000);
    expect(last.wastedBytes).toBeLessThanOrEqual(16 * 100);
  });

  it.each([4, 8])("all but one of %i, without a word: nothing comes for 10 s at most", async (count) => {
    const hosts = Array.from({ length: count - 1 }, (_, n) => n + 1);
    const silent = hosts.flatMap((host) => [[0, host] as const, [host, 0] as const]);
    const { healedInMs, stallsMs } = await download([leecher, ...seeds(count, { rate: 400 })], {
      seed: 2,
      partitions: [{ fromMs: 1_700, toMs: 60_000, links: silent }],
      healMs: 60_000,
    });
    expect(healedInMs, "it did not need them back").toBeLessThanOrEqual(0);
    expect(stallsMs(1_700).longest).toBeLessThanOrEqual(10_000);
  });

  it.each([5, 20, 29, 31, 300])(
    "the last holder: it is waited for, and after %i s used again within 2",
    async (awaySeconds) => {
      const backMs = 3_000 + awaySeconds * 1_000;
      for (let seed = 1; seed <= 10; seed++) {
        const { last, stallsMs } = await download(
          [leecher, ...seeds(1, { rate: 800, ...killed(3_000, backMs) })],
          { seed, healMs: backMs },
        );
        expect(stallsMs(backMs).first, `seed ${seed}`).toBeLessThanOrEqual(2_000);
        // 8 s for the bytes, 2 for those in flight, and as long as it was away.
        expect(last.elapsedMs).toBeLessThan(10_000 + awaySeconds * 1_000 + 2_000);
      }
    },
  );
});

it("half of 32 seeders send a wrong piece or break off now and then: each liar is banned after its first, and nobody else", async () => {
  const liar = { lies: { flipsBit: 0.05, cutsShort: 0, sendsMore: 0, sendsAnother: 0, claimsAll: false } };
  const { last, healedInMs } = await download(
    [leecher, ...seeds(16), ...seeds(16, { ...liar, pBreakOff: 0.05 })],
    {
      lengthBytes: 2_000 * 20,
      pieceLength: 20,
      // One piece of each at a time, so that nobody is left out while it backs off.
      maxInFlightBytes: 640,
      healMs: 60_000,
    },
  );
  expect(healedInMs, "within 60 s").toBeLessThanOrEqual(0);
  const banned = last.peers.filter(({ state }) => state === "banned");
  // Who breaks off is asked for less, and so lies less.
  expect(banned.length).toBeGreaterThan(4);
  expect(banned.length).toBeLessThanOrEqual(16);
});

describe("a partition of 20 s", () => {
  /** Place 5 is the tracker. */
  const all = [1, 2, 3, 4, 5];
  const out = all.map((host) => [0, host] as const);
  const back = all.map((host) => [host, 0] as const);
  /** The links go one by one, and come back in another order. */
  const swizzled = [...out, ...back].map((link, n) => ({
    links: [link],
    fromMs: 1_000 + n * 200,
    toMs: 21_000 + ((n * 7) % 10) * 200,
  }));
  const ways = {
    "both ways": [{ fromMs: 1_000, toMs: 21_000, links: [...out, ...back] }],
    "of requests only": [{ fromMs: 1_000, toMs: 21_000, links: out }],
    "of answers only": [{ fromMs: 1_000, toMs: 21_000, links: back }],
    "link by link": swizzled,
  };

  it.each(Object.keys(ways) as (keyof typeof ways)[])(
    "%s ends nothing, and the download goes on within 10 s after it",
    async (way) => {
      const partitions = ways[way];
      const healMs = Math.max(...partitions.map(({ toMs }) => toMs));
      const { last, healedInMs, stallsMs } = await download([leecher, ...seeds(4, { rate: 200 })], {
        partitions,
        healMs,
      });
      expect(stallsMs(healMs).first).toBeLessThanOrEqual(10_000);
      // What was left to come takes less than 8 s at four times 200 bytes a second.
      expect(healedInMs).toBeGreaterThan(0);
      expect(healedInMs).toBeLessThan(10_000 + 8_000);
      expect(last.wastedBytes).toBeLessThanOrEqual(32 * 100);
    },
  );
});

it("a tracker that comes back with nothing in the middle is not noticed by a download", async () => {
  const peers = [leecher, ...seeds(4, { rate: 100 })];
  const steady = await download(peers, { healMs: 20_000 });
  const absences = [{ fromMs: 3_000, toMs: 3_500, wiped: true }];
  const wiped = await download(peers, { trackers: [{ absences }], healMs: 20_000 });
  expect(wiped.last).toMatchObject({ wastedBytes: 0, peers: steady.last.peers.map(({ url }) => ({ url })) });
  expect(Math.abs(wiped.last.elapsedMs - steady.last.elapsedMs)).toBeLessThanOrEqual(500);
});

it("a day of a swarm with peers that come and go keeps no more timers than its first hour", async () => {
  const hourMs = 3_600_000;
  const coming = Array.from({ length: 24 }, (_, hour) => ({
    fromMs: hour * hourMs + 600_000,
    toMs: hour * hourMs + 1_200_000,
    end: hour % 2 === 0 ? ("kill" as const) : ("stop" as const),
  }));
  const peers = (hours: number) => [leecher, ...seeds(1), ...seeds(2, { absences: coming.slice(0, hours) })];
  const hour = await download(peers(1), { healMs: hourMs });
  const day = await download(peers(24), { healMs: 24 * hourMs });
  expect(day.mostTimers).toBeLessThanOrEqual(hour.mostTimers + 24 * 2 * 2);
}, 60_000);

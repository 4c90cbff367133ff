import { describe, expect, it } from "vitest";
import { RateLimit } from "#core/base/rate-limit.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { FakeSwarm } from "../../support/swarms/fake-swarm.ts";

const ended = (state: string) => ["complete", "failed"].includes(state);

describe("a rate limit", () => {
  it("lets bytes go when they have had their time, the first ones too", async () => {
    const clock = new FakeClock();
    const limit = new RateLimit(1_000, clock);
    const retried: number[] = [];
    const retry = () => retried.push(clock.now());
    expect(limit.take(1_000, retry)).toBe(false);
    await clock.tick(2_000);
    expect(retried).toEqual([1_000]);
    expect(limit.take(1_000, retry)).toBe(true);
  });

  it("makes up for little of the time in which nobody wanted anything", async () => {
    const clock = new FakeClock();
    const limit = new RateLimit(1_000, clock);
    await clock.tick(60_000);
    let taken = 0;
    while (limit.take(10, () => {})) taken += 10;
    expect(taken).toBeLessThanOrEqual(110);
  });

  it("gives each of several who wait its turn", async () => {
    const clock = new FakeClock();
    const limit = new RateLimit(10_000, clock);
    const taken = [0, 0, 0];
    const tries = taken.map((_, n) => () => {
      while (limit.take(1_000, tries[n]!)) taken[n]! += 1_000;
    });
    for (const attempt of tries) attempt();
    await clock.tick(30_000);
    for (const bytes of taken) expect(Math.abs(bytes - 100_000)).toBeLessThan(3_000);
  });

  it("forgets who leaves, and then leaves no timer", () => {
    const clock = new FakeClock();
    const limit = new RateLimit(10, clock);
    const retry = () => {};
    limit.take(1_000, retry);
    limit.leave(retry);
    expect(clock.pending).toBe(0);
  });
});

describe("a download with a rate limit", () => {
  for (const bytesPerSecond of [2_000, 20_000, 200_000]) {
    it(`keeps to ${bytesPerSecond} bytes a second within 5 %, from peers that could give more`, async () => {
      const swarm = new FakeSwarm({ pieces: 100 });
      for (let n = 0; n < 3; n++) swarm.add({ rate: 1_000_000 });
      const limit = new RateLimit(bytesPerSecond, swarm.clock);
      const download = swarm.download({}, { limit });
      download.start();
      await swarm.until("complete", () => ended(download.peek().state), 600_000);
      const { downloadedBytes, wastedBytes, elapsedMs } = download.peek();
      const rate = ((downloadedBytes + wastedBytes) * 1_000) / elapsedMs;
      expect(rate / bytesPerSecond).toBeGreaterThan(0.95);
      expect(rate / bytesPerSecond).toBeLessThan(1.05);
      await download.stop();
      expect(swarm.clock.pending).toBe(0);
    });
  }

  it("is not waiting for peers while it waits for its rate", async () => {
    const swarm = new FakeSwarm({ pieces: 10 });
    swarm.add();
    const download = swarm.download({}, { limit: new RateLimit(1_000, swarm.clock) });
    const states = new Set<string>();
    download.subscribe(() => states.add(download.peek().state));
    download.start();
    await swarm.until("complete", () => ended(download.peek().state), 600_000);
    expect(states).not.toContain("waiting");
  });

  it("shares one limit with another fairly", async () => {
    const swarms = [new FakeSwarm({ pieces: 40 }), new FakeSwarm({ pieces: 40, seed: 2 })];
    const { clock } = swarms[0]!;
    const limit = new RateLimit(10_000, clock);
    const downloads = swarms.map((swarm) => {
      swarms[0]!.add({ url: `http://of-${swarm.seed}.test`, geometry: swarm.geometry, bytes: swarm.bytes });
      const peer = swarms[0]!.peers.at(-1)!;
      const connect = () => peer;
      return swarm.download({}, { clock, limit, connect, trackers: [swarms[0]!.tracker] });
    });
    for (const download of downloads) download.start();
    await clock.tick(4_000);
    const [one, other] = downloads.map((download) => download.peek().heldBytes);
    expect(one! + other!).toBeGreaterThan(36_000);
    expect(Math.abs(one! - other!)).toBeLessThanOrEqual(3_000);
    for (const download of downloads) await download.stop();
  });
});

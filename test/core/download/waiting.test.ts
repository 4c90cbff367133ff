import { describe, expect, it } from "vitest";
import { PeerFailed } from "#core/base/errors.ts";
import type { FakePeer } from "../../support/swarms/fake-peer.ts";
import { FakeSwarm } from "../../support/swarms/fake-swarm.ts";
import { start } from "../../support/swarms/running-download.ts";

/** Twice as long as any pause. */
const LONG_MS = 80_000;

/** The only holder of the last ten of twenty pieces, gone. */
async function waiting(error?: PeerFailed, peers = 1) {
  const swarm = new FakeSwarm({ pieces: 20 });
  const last = swarm.add({ rate: 1_000 });
  for (let n = 1; n < peers; n++) swarm.add().vanish();
  const download = start(swarm);
  await swarm.until("half", () => download.peek().heldPieces >= 10);
  last.vanish(error);
  return { swarm, last, download };
}

/** How often it is tried in that time. */
async function triesIn(swarm: FakeSwarm, peer: FakePeer, ms: number): Promise<number> {
  const tried = () => peer.asked.length + peer.bitfieldCalls;
  const before = tried();
  await swarm.clock.tick(ms);
  return tried() - before;
}

describe("the last holder of what is missing", () => {
  it("is asked again within 2 s, and after thirty times as seldom as one of many", async () => {
    const { swarm, last } = await waiting();
    expect(await triesIn(swarm, last, 2_000)).toBeGreaterThanOrEqual(1);
    expect(await triesIn(swarm, last, 40_000)).toBeGreaterThanOrEqual(20);
    await swarm.clock.tick(LONG_MS);
    expect(await triesIn(swarm, last, LONG_MS)).toBeLessThanOrEqual(4);
  });

  it("is asked at once when the tracker names it anew, or has been away too", async () => {
    const { swarm, last, download } = await waiting();
    await swarm.clock.tick(LONG_MS);
    swarm.tracker.names = () => false;
    await swarm.clock.tick(10_000);
    swarm.tracker.names = () => true;
    expect(await triesIn(swarm, last, 2_000)).toBeGreaterThanOrEqual(1);
    swarm.tracker.away = true;
    await swarm.clock.tick(10_000);
    swarm.tracker.away = false;
    last.comeBack();
    const before = download.peek().heldPieces;
    await swarm.until("the next piece", () => download.peek().heldPieces > before, 8_000);
  });

  it("that asked for a pause gets it", async () => {
    const overloaded = new PeerFailed("unavailable", "overloaded", { retryAfterMs: 20_000 });
    const { swarm, last } = await waiting(overloaded);
    await swarm.clock.tick(1_000);
    expect(await triesIn(swarm, last, 10_000)).toBe(0);
  });

  it("that is overloaded time and again is not asked the oftener for it", async () => {
    const { swarm, last } = await waiting();
    await swarm.clock.tick(20_000);
    last.vanish(new PeerFailed("resource_exhausted", "overloaded"));
    await swarm.clock.tick(2_000);
    expect(await triesIn(swarm, last, 20_000)).toBeLessThanOrEqual(1);
  });

  it("is waited for in words that say when it is asked again", async () => {
    const { swarm, download } = await waiting();
    for (let n = 0; n < 50; n++) {
      await swarm.clock.tick(200);
      const { state, reason } = download.peek();
      if (state === "waiting")
        expect(reason).toMatch(/no reachable peer .*, again in [012] s$|^no reachable peer[^;]*$/);
    }
  });

  it("is not taken for one that is back when a large swarm is named in parts", async () => {
    const { swarm, last } = await waiting(undefined, 40);
    await swarm.clock.tick(LONG_MS);
    swarm.tracker.names = ({ url }) => (swarm.tracker.turn + Number(url.match(/\d+/)![0])) % 2 === 0;
    await swarm.clock.tick(10_000);
    expect(await triesIn(swarm, last, LONG_MS)).toBeLessThanOrEqual(4);
  });
});

it("one of many that fails has its pause doubled all the same while others give", async () => {
  const swarm = new FakeSwarm({ pieces: 60 });
  swarm.add({ rate: 1_000 });
  const gone = swarm.add();
  gone.vanish();
  const download = start(swarm, { maxInFlightPerPeer: 1 });
  await swarm.until("under way", () => download.peek().heldPieces > 2);
  expect(await triesIn(swarm, gone, 40_000)).toBeLessThanOrEqual(6);
});

it("a download whose taker has no room for more asks the tracker no oftener than it was told", async () => {
  const swarm = new FakeSwarm({ pieces: 20 });
  swarm.add();
  const download = start(swarm, { sequential: true });
  download.askBelow(5);
  await swarm.until("all that there is room for", () => download.peek().heldPieces === 5);
  await swarm.clock.tick(10_000);
  const before = swarm.tracker.located;
  await swarm.clock.tick(40_000);
  expect(swarm.tracker.located - before).toBeLessThanOrEqual(12);
});

it("a download that is paused asks the tracker no oftener than it was told", async () => {
  const { swarm, download } = await waiting();
  await swarm.clock.tick(10_000);
  download.pause();
  const before = swarm.tracker.located;
  await swarm.clock.tick(40_000);
  expect(swarm.tracker.located - before).toBeLessThanOrEqual(12);
  download.resume();
  const after = swarm.tracker.located;
  await swarm.clock.tick(40_000);
  expect(swarm.tracker.located - after).toBeGreaterThan(20);
});

import { describe, expect, it } from "vitest";
import type { FakePeer } from "../../support/swarms/fake-peer.ts";
import { FakeSwarm } from "../../support/swarms/fake-swarm.ts";
import { ended, numbers, start } from "../../support/swarms/running-download.ts";

const PIECES = 256;
const LIARS = 50;
const MINUTE_MS = 60_000;

/** A peer that says to have all pieces, and has none; with the times at which it was asked for one. */
interface Liar {
  readonly peer: FakePeer;
  readonly askedAtMs: number[];
}

function addLiar(swarm: FakeSwarm): Liar {
  const peer = swarm.add();
  const askedAtMs: number[] = [];
  const getPiece = peer.getPiece.bind(peer);
  peer.getPiece = (...args) => {
    askedAtMs.push(swarm.clock.now());
    return getPiece(...args);
  };
  for (const index of numbers(0, swarm.geometry.count)) peer.lacks(index);
  return { peer, askedAtMs };
}

/** How long two honest seeders take, behind so many liars, in ms. */
async function timed(swarm: FakeSwarm): Promise<number> {
  for (let n = 0; n < 2; n++) swarm.add({ rate: 1_000, latencyMs: 20 });
  const download = start(swarm);
  await swarm.until("complete", ended(download), 20 * MINUTE_MS);
  expect(swarm.result()).toEqual(swarm.bytes);
  return swarm.clock.now();
}

describe("peers that say to have all pieces and have none", () => {
  it("50 of them beside two honest seeders: each is asked once a minute, and it takes no twice as long", async () => {
    const aloneMs = await timed(new FakeSwarm({ pieces: PIECES }));
    const swarm = new FakeSwarm({ pieces: PIECES });
    const liars = Array.from({ length: LIARS }, () => addLiar(swarm));
    const tookMs = await timed(swarm);
    expect(tookMs).toBeLessThan(2 * aloneMs);
    expect(tookMs, "long enough to ask again").toBeGreaterThan(2 * MINUTE_MS);
    for (const { askedAtMs } of liars) {
      expect(askedAtMs.length).toBeGreaterThan(0);
      for (const [at, ms] of askedAtMs.entries()) {
        if (at > 0) expect(ms - askedAtMs[at - 1]!).toBeGreaterThanOrEqual(MINUTE_MS);
      }
    }
    console.log(
      `${tookMs} ms, ${aloneMs} ms without liars, ${liars.flatMap((one) => one.askedAtMs).length} lies`,
    );
  });

  it("are not banned: one that turns honest is used again after its minute", async () => {
    const swarm = new FakeSwarm({ pieces: PIECES });
    const { peer, askedAtMs } = addLiar(swarm);
    swarm.add({ rate: 500, latencyMs: 20 });
    const download = start(swarm);
    await swarm.until("a lie", () => askedAtMs.length === 1);
    await swarm.clock.tick(1_000);
    expect(download.peek().peers[0]).toMatchObject({ state: "backing off", trouble: "not_found" });
    expect(download.peek().peers[0]!.reason).toMatch(/says that it has piece \d+, and does not give it/);
    peer.mend();
    await swarm.clock.tick(2 * MINUTE_MS);
    expect(download.peek().peers[0]!.servedPieces).toBeGreaterThan(0);
    await swarm.until("complete", ended(download), 20 * MINUTE_MS);
  });

  it("and correct themselves when they are asked what they have go on being asked for the rest at once", async () => {
    const swarm = new FakeSwarm({ pieces: 8 });
    const { peer } = addLiar(swarm);
    peer.mend();
    peer.lacks(3);
    peer.has.clear(3);
    // What the tracker says is older than what the peer says.
    const others = swarm.add({ has: [3], rate: 200, latencyMs: 50 });
    const download = start(swarm);
    await swarm.until("complete", ended(download), 30_000);
    expect(peer.asked).toHaveLength(7);
    expect(others.asked).toEqual([3]);
  });

  it("that are all there is are asked on: a download goes on with whoever gives something", async () => {
    const swarm = new FakeSwarm({ pieces: 12 });
    const { peer } = addLiar(swarm);
    const download = start(swarm);
    await swarm.clock.tick(20_000);
    expect(peer.asked.length, "tried again, with pauses").toBeGreaterThan(2);
    expect(peer.asked.length).toBeLessThan(12);
    peer.mend();
    await swarm.until("complete", ended(download), 2 * MINUTE_MS);
  });
});

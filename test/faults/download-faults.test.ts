import { describe, expect, it } from "vitest";
import { FakeSwarm } from "../support/swarms/fake-swarm.ts";
import { ended, numbers, start } from "../support/swarms/running-download.ts";

describe("a peer that named pieces it does not have", () => {
  it("is asked for each once a minute, and is never banned", async () => {
    const swarm = new FakeSwarm({ pieces: 20 });
    const peer = swarm.add();
    peer.lacks(7);
    const download = start(swarm);
    const asked = () => peer.asked.filter((index) => index === 7).length;
    await swarm.until("the others", () => download.peek().heldPieces === 19);
    await swarm.clock.tick(59_000);
    expect(asked()).toBe(1);
    await swarm.clock.tick(10_000);
    expect(asked()).toBe(2);
    expect(download.peek().peers[0]!.state).not.toBe("banned");
  });

  it("is given a pause after three, and asked for its others when that is over", async () => {
    const swarm = new FakeSwarm({ pieces: 20 });
    const peer = swarm.add();
    for (const index of [3, 4, 5]) peer.lacks(index);
    const download = start(swarm);
    await swarm.until("a pause", () => download.peek().peers[0]?.state === "backing off", 5_000);
    await swarm.until("the others", () => download.peek().heldPieces === 17, 10_000);
    for (const index of [3, 4, 5]) expect(peer.asked.filter((other) => other === index)).toHaveLength(1);
  });
});

describe("a tracker", () => {
  it("that is down at the start and up after 5 s is asked at most 12 times, and pieces come by 10 s", async () => {
    const swarm = new FakeSwarm();
    swarm.add();
    swarm.tracker.away = true;
    const heldAtMs: number[] = [];
    const download = start(swarm, {}, { onHeld: () => heldAtMs.push(swarm.clock.now()) });
    await swarm.clock.tick(5_000);
    expect(swarm.tracker.missed).toBeGreaterThan(2);
    swarm.tracker.away = false;
    await swarm.until("complete", ended(download), 5_000);
    expect(heldAtMs[0]).toBeLessThanOrEqual(10_000);
    expect(swarm.tracker.missed + swarm.tracker.located).toBeLessThanOrEqual(12);
  });

  it("that dies for good costs no piece: each is asked for once", async () => {
    const swarm = new FakeSwarm({ pieces: 60 });
    swarm.add({ rate: 10_000 });
    const download = start(swarm);
    await swarm.until("under way", () => download.peek().heldPieces > 5);
    swarm.tracker.away = true;
    await swarm.until("complete", ended(download));
    expect(swarm.asked.toSorted((a, b) => a - b)).toEqual(numbers(0, 60));
    expect(download.peek().wastedBytes).toBe(0);
  });
});

import { describe, expect, it } from "vitest";
import { FakeSwarm } from "../../support/swarms/fake-swarm.ts";
import { ended, start } from "../../support/swarms/running-download.ts";

describe("slow peers", () => {
  it("one at 1 % costs the others little, and few bytes twice", async () => {
    const run = async (rates: number[]) => {
      const swarm = new FakeSwarm({ pieces: 200, pieceLength: 1_000 });
      for (const rate of rates) swarm.add({ rate, latencyMs: 5 });
      const download = start(swarm);
      await swarm.until("complete", ended(download), 300_000);
      return { ms: download.peek().elapsedMs, asked: swarm.asked.length };
    };
    const three = await run([20_000, 20_000, 20_000]);
    const withSlow = await run([200, 20_000, 20_000, 20_000]);
    expect(withSlow.ms).toBeLessThanOrEqual(1.3 * three.ms + 500);
    expect(withSlow.asked).toBeLessThanOrEqual(200 * 1.05);
  });

  it("one that alone has some pieces is asked for them, however fast the others are", async () => {
    const swarm = new FakeSwarm({ pieces: 20, pieceLength: 1_000 });
    const fast = swarm.add({ rate: 1_000_000, has: Array.from({ length: 16 }, (_, n) => n) });
    const slow = swarm.add({ rate: 300 });
    const download = start(swarm);
    await swarm.until("complete", ended(download));
    expect(slow.asked).toEqual(expect.arrayContaining([16, 17, 18, 19]));
    expect(fast.asked.length).toBeGreaterThan(10);
  });

  it("twelve that are all alike get the last piece too, although together they would be faster than each", async () => {
    const swarm = new FakeSwarm({ pieces: 13, pieceLength: 1_000 });
    for (let n = 0; n < 12; n++) swarm.add({ rate: 1_000 });
    // It is asked for the last piece, and says only when the others are done that it does not have it.
    swarm.add({ latencyMs: 2_500, has: [12] }).lacks(12);
    const download = start(swarm);
    await swarm.until("complete", ended(download), 20_000);
  });

  it("a stalled request is hedged, and the peer that stalls is not waited for", async () => {
    const swarm = new FakeSwarm({ pieces: 30 });
    const stuck = swarm.add({ rate: 20_000 });
    swarm.add({ rate: 20_000 });
    for (let index = 0; index < 30; index++) stuck.stallAt(index);
    const download = start(swarm);
    await swarm.until("complete", ended(download), 10_000);
    expect(swarm.result()).toEqual(swarm.bytes);
  });
});

describe("memory", () => {
  it("a download of 65,536 pieces ends, and asks for hardly any twice", async () => {
    const swarm = new FakeSwarm({ pieces: 65_536, pieceLength: 4 });
    for (let n = 0; n < 4; n++) swarm.add({ latencyMs: 5 });
    swarm.add({ latencyMs: 5, has: Array.from({ length: 20_000 }, (_, n) => n * 3) });
    const download = start(swarm, { maxInFlightPerPeer: 1_000 });
    await swarm.until("complete", ended(download), 300_000);
    expect(swarm.store.held.complete).toBe(true);
    // What is under way when nothing else is left to ask for may be asked for once more: one window of every peer at most.
    expect(swarm.asked.length).toBeLessThan(65_536 * 1.02);
  });

  it("requests no more bytes than allowed, whatever the window", async () => {
    const swarm = new FakeSwarm({ pieces: 200 });
    for (let n = 0; n < 6; n++) swarm.add({ rate: 100_000, latencyMs: 100 });
    let most = 0;
    const download = start(swarm, { maxInFlightBytes: 8_000 });
    download.subscribe(() => {
      most = Math.max(
        most,
        swarm.peers.reduce((sum, peer) => sum + peer.inFlight, 0),
      );
    });
    await swarm.until("complete", ended(download));
    expect(most).toBeGreaterThan(2);
    expect(most).toBeLessThanOrEqual(8);
  });

  it("keeps no more than the option says under way at one peer", async () => {
    const swarm = new FakeSwarm({ pieces: 100 });
    const seeder = swarm.add({ rate: 100_000, latencyMs: 500 });
    const download = start(swarm, { maxInFlightPerPeer: 5 });
    await swarm.until("complete", ended(download));
    expect(seeder.maxInFlight).toBe(5);
  });

  it("keeps no more under way than the option says of that very peer", async () => {
    const swarm = new FakeSwarm({ pieces: 100 });
    const [narrow, wide] = [
      swarm.add({ rate: 100_000, latencyMs: 500 }),
      swarm.add({ rate: 100_000, latencyMs: 500 }),
    ];
    const download = start(swarm, { maxInFlightPerPeer: (url) => (url === narrow.url ? 2 : 9) });
    await swarm.until("complete", ended(download));
    expect([narrow.maxInFlight, wide.maxInFlight]).toEqual([2, 9]);
  });

  it("widens the window at a distant fast peer", async () => {
    const swarm = new FakeSwarm({ pieces: 200 });
    const seeder = swarm.add({ rate: 1_000_000, latencyMs: 50 });
    const download = start(swarm);
    await swarm.until("complete", ended(download));
    expect(seeder.maxInFlight).toBeGreaterThan(8);
  });
});

describe("trackers", () => {
  it("a lost tracker does not stop a running download", async () => {
    const swarm = new FakeSwarm({ pieces: 60 });
    swarm.add({ rate: 10_000 });
    const download = start(swarm);
    await swarm.until("under way", () => download.peek().heldPieces > 5);
    swarm.tracker.away = true;
    await swarm.until("complete", ended(download));
  });

  it("one that is away at the start is asked until it is back", async () => {
    const swarm = new FakeSwarm();
    swarm.add();
    swarm.tracker.away = true;
    const download = start(swarm);
    await swarm.until("waiting", () => download.peek().state === "waiting");
    expect(download.peek().reason).toBe("the tracker is away");
    await swarm.clock.tick(30_000);
    swarm.tracker.away = false;
    await swarm.until("complete", ended(download), 6_000);
  });

  it("one that knows no such swarm has answered: nobody is there yet", async () => {
    const swarm = new FakeSwarm();
    swarm.tracker.ignorant = true;
    const download = start(swarm);
    await swarm.until("waiting", () => download.peek().state === "waiting");
    expect(download.peek()).toMatchObject({ located: true, reason: "no peer has this torrent yet" });
    swarm.add();
    swarm.tracker.ignorant = false;
    await swarm.until("complete", ended(download), 4_000);
  });

  it("are obeyed for the first request to peers that are not measured yet", async () => {
    for (let turn = 0; turn < 4; turn++) {
      const swarm = new FakeSwarm({ pieces: 64 });
      for (let n = 0; n < 4; n++) swarm.add({ rate: 1_000 });
      swarm.tracker.turn = turn;
      const download = start(swarm);
      await swarm.until("each is asked", () => swarm.peers.every(({ asked }) => asked.length > 0));
      for (const [position, peer] of swarm.peers.entries()) {
        expect((turn + peer.asked[0]! + 1) % 4).toBe(position);
      }
      await download.stop();
    }
  });
});

import { describe, expect, it } from "vitest";
import { Bitfield } from "#core/base/bitfield.ts";
import type { Download } from "#core/download/download.ts";
import type { PieceIndex } from "#core/torrent/piece.ts";
import { FakeSwarm } from "../../support/swarms/fake-swarm.ts";

const nothing = new Bitfield(64);

/** Focuses pieces `first` to before `end`, the first one now. */
function focus(download: Download, reader: object, first: number, end: number, byMs = 0): void {
  download.focus(reader, { first: first as PieceIndex, end, byMs, stepMs: 100 });
}

describe("a download that gets only what readers need", () => {
  it("asks for nothing without a reader, and never completes", async () => {
    const swarm = new FakeSwarm({ pieces: 64 });
    swarm.add();
    const download = swarm.download({}, { wanted: nothing, openEnded: true });
    download.start();
    await swarm.clock.tick(60_000);
    expect(swarm.asked).toEqual([]);
    expect(download.peek().state).not.toBe("complete");
    await download.stop();
  });

  it("gets a reader's pieces in order, and stops when it leaves", async () => {
    const swarm = new FakeSwarm({ pieces: 64 });
    swarm.add({ rate: 10_000 });
    const download = swarm.download({}, { wanted: nothing, openEnded: true });
    download.start();
    const reader = {};
    focus(download, reader, 20, 40);
    await swarm.until("eight pieces", () => swarm.held.length === 8);
    expect(swarm.held.slice(0, 8)).toEqual([20, 21, 22, 23, 24, 25, 26, 27]);
    download.focus(reader, undefined);
    const { length } = swarm.asked;
    await swarm.clock.tick(30_000);
    expect(swarm.asked).toHaveLength(length);
    expect(swarm.peers[0]!.inFlight).toBe(0);
    await download.stop();
  });

  it("serves two readers by their deadlines", async () => {
    const swarm = new FakeSwarm({ pieces: 64 });
    swarm.add({ rate: 10_000 });
    const download = swarm.download({ maxInFlightPerPeer: 1 }, { wanted: nothing, openEnded: true });
    download.start();
    focus(download, {}, 0, 4, 1_000_000);
    focus(download, {}, 50, 54, 0);
    await swarm.until("all eight", () => swarm.held.length === 8);
    expect(swarm.held).toEqual([50, 51, 52, 53, 0, 1, 2, 3]);
    await download.stop();
  });

  it("gets a piece again that its store has lost", async () => {
    const swarm = new FakeSwarm({ pieces: 64 });
    swarm.add();
    const download = swarm.download({}, { wanted: nothing, openEnded: true });
    download.start();
    const reader = {};
    focus(download, reader, 3, 4);
    await swarm.until("the piece", () => swarm.held.length === 1);
    swarm.store.held.clear(3);
    download.lost(3 as PieceIndex);
    focus(download, reader, 3, 4);
    await swarm.until("the piece again", () => swarm.held.length === 2);
    expect(swarm.held).toEqual([3, 3]);
    await download.stop();
  });
});

/**
 * A reader at a constant rate over four peers: one slow, one that dies, one that lies. Returns the longest time that it
 * waited for a piece, in ms. The first piece does not count: there is nothing to play yet.
 */
async function longestStall(seed: number, reads: "everything" | "what it needs"): Promise<number> {
  const swarm = new FakeSwarm({ pieces: 64, pieceLength: 100_000, seed });
  const [good, , dying, liar] = [
    swarm.add({ rate: 400_000, latencyMs: 20 }),
    swarm.add({ rate: 20_000, latencyMs: 200 }),
    swarm.add({ rate: 400_000, latencyMs: 20 }),
    swarm.add({ rate: 400_000, latencyMs: 5 }),
  ];
  for (let n = 0; n < 64; n++) liar!.corrupt(n);
  const only = { wanted: nothing, openEnded: true };
  const download = swarm.download({}, reads === "everything" ? {} : only);
  const reader = {};
  const STEP_MS = 400;
  download.start();
  let longestMs = 0;
  for (let at = 0; at < 64; at++) {
    const byMs = swarm.clock.now();
    const end = Math.min(64, at + 8);
    download.focus(reader, { first: at as PieceIndex, end, byMs, stepMs: STEP_MS });
    if (at === 20) dying!.vanish();
    let waitedMs = 0;
    for (; !swarm.store.held.has(at); waitedMs += 50) {
      if (waitedMs > 60_000) throw new Error(`piece ${at} did not come; ${good!.asked.length} asked`);
      await swarm.clock.tick(50);
    }
    if (at > 0) longestMs = Math.max(longestMs, waitedMs);
    await swarm.clock.tick(STEP_MS);
  }
  await download.stop();
  return longestMs;
}

it.each(["everything", "what it needs"] as const)(
  "a reader of a download that gets %s waits for no piece over 2 s while a good peer is there",
  async (reads) => {
    const stalls: number[] = [];
    for (let seed = 1; seed <= 20; seed++) stalls.push(await longestStall(seed, reads));
    expect(Math.max(...stalls), stalls.join(" ")).toBeLessThanOrEqual(2_000);
  },
);

describe("a paused download", () => {
  it("gets what a reader waits for, and nothing else", async () => {
    const swarm = new FakeSwarm({ pieces: 64 });
    swarm.add();
    const download = swarm.download();
    download.pause();
    download.start();
    download.pause();
    focus(download, {}, 40, 44);
    await swarm.until("the reader's pieces", () => swarm.held.length === 4);
    await swarm.clock.tick(5_000);
    expect(swarm.held.toSorted()).toEqual([40, 41, 42, 43]);
    await download.stop();
  });
});

describe("a download of everything with a reader", () => {
  it("asks for the reader's pieces first, then completes", async () => {
    const swarm = new FakeSwarm({ pieces: 64 });
    swarm.add({ rate: 20_000 });
    const download = swarm.download();
    focus(download, {}, 40, 48);
    download.start();
    await swarm.until("the end", () => download.peek().state === "complete");
    expect(swarm.asked.slice(0, 8)).toEqual([40, 41, 42, 43, 44, 45, 46, 47]);
    expect(swarm.result()).toEqual(swarm.bytes);
  });

  it("drops the requests that have hardly begun when the reader jumps", async () => {
    const swarm = new FakeSwarm({ pieces: 64, pieceLength: 10_000 });
    for (let n = 0; n < 4; n++) swarm.add({ rate: 10_000 });
    const download = swarm.download();
    const reader = {};
    focus(download, reader, 0, 8);
    download.start();
    await swarm.until("some pieces", () => swarm.held.length >= 4);
    focus(download, reader, 50, 58);
    const { length } = swarm.held;
    await swarm.until("the piece jumped to", () => swarm.held.includes(50), 10_000);
    // Only what had half arrived comes before it.
    const others = swarm.held.slice(length, swarm.held.indexOf(50)).filter((index) => index < 50);
    expect(others.length).toBeLessThanOrEqual(4);
    await download.stop();
  });
});

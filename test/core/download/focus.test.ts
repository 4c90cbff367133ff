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
    expect(swarm.held.length - length).toBeLessThan(8);
    await download.stop();
  });
});

import { describe, expect, it } from "vitest";
import { sleep } from "#core/base/clock.ts";
import { PeerFailed, PiezaError, StoreFailed } from "#core/base/errors.ts";
import { PieceMap } from "#core/download/snapshot.ts";
import { MemoryPieceStore } from "#core/ports/store.ts";
import type { PieceIndex } from "#core/torrent/piece.ts";
import { FakeSwarm, seededBytes } from "../../support/swarms/fake-swarm.ts";
import { ended, numbers, start } from "../../support/swarms/running-download.ts";

describe("a download", () => {
  it("gets every piece from one seeder, each asked for once, and leaves no timer behind", async () => {
    const swarm = new FakeSwarm({ pieces: 40, lastPiece: 1 });
    const seeder = swarm.add();
    const download = start(swarm);
    await swarm.until("complete", ended(download));
    expect(swarm.result()).toEqual(swarm.bytes);
    expect([...seeder.asked].sort((a, b) => a - b)).toEqual(numbers(0, 40));
    expect(download.peek()).toMatchObject({ state: "complete", heldPieces: 40, wastedBytes: 0 });
    expect(swarm.held).toHaveLength(40);
    await download.stop();
    expect(swarm.clock.pending).toBe(0);
    expect(seeder.closed).toBe(true);
  });

  it("puts a file together from peers that hold different parts, and every one of them serves", async () => {
    const swarm = new FakeSwarm({ pieces: 60 });
    swarm.add({ has: numbers(0, 30), rate: 50_000 });
    swarm.add({ has: numbers(15, 45), rate: 50_000 });
    swarm.add({ has: numbers(30, 60), rate: 50_000 });
    const download = start(swarm);
    await swarm.until("complete", ended(download));
    expect(swarm.result()).toEqual(swarm.bytes);
    for (const peer of download.peek().peers) expect(peer.servedPieces).toBeGreaterThan(10);
    for (const [index, entry] of download.peek().pieceMap.entries()) {
      expect(swarm.peers[PieceMap.slotOf(entry)]?.has.has(index)).toBe(true);
    }
  });

  it("finishes when its only seeder leaves at half and another joins", async () => {
    const swarm = new FakeSwarm({ pieces: 40 });
    const first = swarm.add({ rate: 10_000 });
    const download = start(swarm);
    await swarm.until("half", () => download.peek().heldPieces >= 20);
    first.vanish();
    await swarm.until("waiting", () => download.peek().state === "waiting");
    expect(download.peek().reason).toContain("connection refused");
    expect(download.peek()).toMatchObject({ trouble: "no_holder", peers: [{ trouble: "unavailable" }] });
    swarm.add();
    await swarm.until("complete", ended(download));
    expect(swarm.result()).toEqual(swarm.bytes);
  });

  it("loses only the pieces in flight when one of four peers is killed", async () => {
    const swarm = new FakeSwarm({ pieces: 100 });
    for (let n = 0; n < 4; n++) swarm.add({ rate: 20_000 });
    const download = start(swarm);
    await swarm.until("under way", () => download.peek().heldPieces >= 40);
    const inFlight = swarm.peers[2]!.inFlight;
    swarm.peers[2]!.vanish();
    await swarm.until("complete", ended(download));
    expect(swarm.result()).toEqual(swarm.bytes);
    const hedged = download.peek().peers.length;
    expect(swarm.asked.length).toBeLessThanOrEqual(100 + inFlight + 2 * hedged);
  });

  it("asks no peer for what the store holds already", async () => {
    const swarm = new FakeSwarm({ pieces: 10 });
    const seeder = swarm.add();
    for (const index of [0, 3, 9]) {
      const at = swarm.geometry.index(index);
      swarm.store.write(at, 0, swarm.bytes.slice(index * 1_000, (index + 1) * 1_000));
      swarm.store.commit(at);
    }
    const download = start(swarm);
    await swarm.until("complete", ended(download));
    expect(seeder.asked).toHaveLength(7);
    expect(seeder.asked).not.toContain(3);
    expect(download.peek().pieceMap[3]).toBe(PieceMap.HELD_BEFORE);
    expect(download.peek()).toMatchObject({ heldBytes: 10_000, downloadedBytes: 7_000 });
  });

  it("is complete at once, and asks nobody, when everything is held", async () => {
    const swarm = new FakeSwarm({ pieces: 1, lastPiece: 0 });
    swarm.store.commit(0 as PieceIndex);
    const download = start(swarm);
    await swarm.until("complete", ended(download));
    expect(swarm.tracker.located).toBe(0);
  });

  it("fetches and checks the one empty piece of an empty file", async () => {
    const swarm = new FakeSwarm({ pieces: 1, lastPiece: 0 });
    swarm.add();
    const download = start(swarm);
    await swarm.until("complete", ended(download));
    expect(swarm.result()).toEqual(new Uint8Array(0));
  });
});

describe("a peer that sends what is not the piece", () => {
  const lies = {
    "a flipped bit": (piece: Uint8Array) => piece.map((byte, at) => (at === 7 ? byte ^ 1 : byte)),
    "a byte too few": (piece: Uint8Array) => piece.slice(1),
    "a byte too many": (piece: Uint8Array) => Uint8Array.from([...piece, 0]),
    nothing: () => new Uint8Array(0),
    "as many bytes of another torrent": (piece: Uint8Array) => Uint8Array.from(seededBytes(piece.length, 99)),
    "ten times as much": (piece: Uint8Array) =>
      Uint8Array.from(Array.from({ length: 10 }, () => [...piece]).flat()),
  };
  for (const [name, change] of Object.entries(lies)) {
    it(`is banned after its first: ${name}`, async () => {
      const swarm = new FakeSwarm({ pieces: 30 });
      const liar = swarm.add({ rate: 20_000 });
      swarm.add({ rate: 20_000 });
      for (let index = 0; index < 30; index++) liar.corrupt(index, change);
      const download = start(swarm);
      await swarm.until("complete", ended(download));
      expect(swarm.result()).toEqual(swarm.bytes);
      expect(download.peek().peers[0]).toMatchObject({ state: "banned", servedPieces: 0 });
      expect(liar.closed).toBe(true);
      expect(liar.asked.length).toBeLessThanOrEqual(2);
      await swarm.clock.tick(120_000);
      expect(liar.asked.length).toBeLessThanOrEqual(2);
    });
  }

  it("holds nothing of it: not stored, not counted, not told", async () => {
    const swarm = new FakeSwarm({ pieces: 4 });
    const liar = swarm.add();
    for (let index = 0; index < 4; index++) liar.corrupt(index);
    const download = start(swarm);
    await swarm.until("banned", () => download.peek().peers[0]?.state === "banned");
    await swarm.clock.tick(10_000);
    expect(swarm.held).toEqual([]);
    expect(swarm.store.held.count).toBe(0);
    expect(download.peek()).toMatchObject({ state: "waiting", heldBytes: 0, downloadedBytes: 0 });
    expect(download.peek().reason).toContain("wrong hash");
    expect(download.peek().peers[0]).toMatchObject({ state: "banned", trouble: "wrong_piece" });
  });

  it("cannot spoil a verified piece by a late hedge", async () => {
    const swarm = new FakeSwarm({ pieces: 2 });
    const slow = swarm.add({ rate: 100 });
    const download = start(swarm);
    await swarm.until("asked", () => slow.inFlight > 0);
    for (const index of [0, 1]) slow.corrupt(index);
    swarm.add();
    await swarm.until("complete", ended(download));
    await swarm.clock.tick(60_000);
    expect(swarm.result()).toEqual(swarm.bytes);
    expect(slow.aborted.length).toBeGreaterThan(0);
  });
});

describe("an honest peer", () => {
  it("with a rotten or missing piece is asked for its others, not banned, and not asked again for that one", async () => {
    const swarm = new FakeSwarm({ pieces: 20 });
    const damaged = swarm.add({ rate: 20_000 });
    damaged.lacks(0, "data_loss");
    damaged.lacks(1, "not_found");
    swarm.add({ has: numbers(0, 2), rate: 500, latencyMs: 3_000 });
    const download = start(swarm);
    await swarm.until("complete", ended(download));
    expect(damaged.asked.filter((index) => index === 0).length).toBeLessThanOrEqual(1);
    expect(damaged.asked.filter((index) => index === 1).length).toBeLessThanOrEqual(1);
    expect(download.peek().peers[0]!.servedPieces).toBeGreaterThanOrEqual(18);
  });

  it("that fails backs off for longer each time and is used again when it is back", async () => {
    const swarm = new FakeSwarm({ pieces: 10 });
    const seeder = swarm.add();
    seeder.vanish();
    const download = start(swarm);
    await swarm.clock.tick(20_000);
    expect(seeder.asked.length + seeder.bitfieldCalls).toBeLessThan(20);
    seeder.comeBack();
    await swarm.until("complete", ended(download), 35_000);
    expect(download.peek().peers).toHaveLength(1);
  });

  it("that failed proves itself with one request before it gets its window again", async () => {
    const swarm = new FakeSwarm({ pieces: 60 });
    const seeder = swarm.add({ rate: 50_000, latencyMs: 200 });
    const download = start(swarm);
    await swarm.until("a wide window", () => seeder.inFlight > 4);
    seeder.vanish();
    await swarm.until("backing off", () => download.peek().peers[0]?.state === "backing off");
    seeder.comeBack();
    await swarm.until("asked again", () => seeder.inFlight > 0);
    expect(seeder.inFlight).toBe(1);
    await swarm.until("complete", ended(download));
    expect(swarm.result()).toEqual(swarm.bytes);
  });

  it("that is busy is asked again after its hint", async () => {
    const swarm = new FakeSwarm({ pieces: 4 });
    const seeder = swarm.add();
    seeder.vanish(new PeerFailed("resource_exhausted", "too many bytes in flight", { retryAfterMs: 2_000 }));
    const download = start(swarm);
    await swarm.until("backing off", () => download.peek().peers[0]?.state === "backing off");
    const asked = seeder.asked.length;
    await swarm.clock.tick(1_400);
    expect(seeder.asked.length).toBe(asked);
    seeder.comeBack();
    await swarm.until("complete", ended(download), 3_000);
  });

  it("that is not usable from here is named with the reason and never asked", async () => {
    const swarm = new FakeSwarm({ pieces: 4 });
    swarm.add();
    const connect = () => {
      throw new PiezaError("failed_precondition", "an https page cannot use an http peer");
    };
    const download = start(swarm, {}, { connect });
    await swarm.until("skipped", () => download.peek().peers[0]?.state === "skipped");
    expect(download.peek().reason).toContain("an https page cannot use an http peer");
  });
});

describe("pause, stop and failure", () => {
  it("a paused download asks for nothing, and goes on from where it was", async () => {
    const swarm = new FakeSwarm({ pieces: 40 });
    swarm.add({ rate: 10_000 });
    const download = start(swarm);
    await swarm.until("under way", () => download.peek().heldPieces > 5);
    download.pause();
    const asked = swarm.asked.length;
    await swarm.clock.tick(30_000);
    expect(swarm.asked.length).toBe(asked);
    expect(download.peek().state).toBe("paused");
    download.resume();
    await swarm.until("complete", ended(download));
    expect(swarm.result()).toEqual(swarm.bytes);
  });

  it("a piece that the store takes its time with is held once and asked of nobody else, pause or no pause", async () => {
    const swarm = new FakeSwarm({ pieces: 4 });
    // One more than there are pieces: it has nothing else to do.
    for (let n = 0; n < 4; n++) swarm.add({ rate: 10_000, has: [0, 1, 2] });
    class SlowStore extends MemoryPieceStore {
      override async commit(index: PieceIndex): Promise<void> {
        await sleep(swarm.clock, 10_000);
        super.commit(index);
      }
    }
    const download = start(swarm, {}, { store: new SlowStore(swarm.geometry) });
    await swarm.clock.tick(9_000);
    expect(swarm.asked.toSorted()).toEqual([0, 1, 2]);
    download.pause();
    download.resume();
    await swarm.clock.tick(30_000);
    expect(swarm.held.toSorted()).toEqual([0, 1, 2]);
    expect(download.peek()).toMatchObject({ heldBytes: 3_000, downloadedBytes: 3_000 });
    expect(swarm.peers.map((peer) => peer.inFlight)).toEqual([0, 0, 0, 0]);
  });

  it("stop leaves no request and no timer, and says stopped", async () => {
    const swarm = new FakeSwarm({ pieces: 40 });
    swarm.add({ rate: 1_000 });
    const download = start(swarm);
    await swarm.clock.tick(500);
    await download.stop();
    expect((await download.whenDone).state).toBe("stopped");
    expect(swarm.clock.pending).toBe(0);
    expect(swarm.peers[0]!.inFlight).toBe(0);
  });

  it("a disk that fails ends it with the disk's message", async () => {
    class FullStore extends MemoryPieceStore {
      override write(): void {
        throw new StoreFailed("no space left on the disk", { noSpace: true });
      }
    }
    const swarm = new FakeSwarm();
    swarm.add();
    const download = start(swarm, {}, { store: new FullStore(swarm.geometry) });
    await swarm.until("failed", ended(download));
    expect(download.peek()).toMatchObject({
      state: "failed",
      reason: "no space left on the disk",
      trouble: "storage_full",
    });
    expect(download.failure).toBeInstanceOf(StoreFailed);
    expect(download.peek().peers[0]!.state).not.toBe("banned");
  });

  it("tells its subscribers at most ten times a second, and of the end at once", async () => {
    const swarm = new FakeSwarm({ pieces: 300 });
    swarm.add({ rate: 100_000 });
    const download = start(swarm);
    const told: number[] = [];
    download.subscribe(() => told.push(swarm.clock.now()));
    await swarm.until("complete", ended(download));
    const gaps = told.slice(1, -1).map((at, n) => at - told[n]!);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(100);
    expect(download.peek().state).toBe("complete");
  });
});

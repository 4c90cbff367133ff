import { describe, expect, it } from "vitest";
import { sleep } from "#core/base/clock.ts";
import { type LearnedLengths, learnLengths } from "#core/download/learn-lengths.ts";
import { putLearned } from "#core/download/learned-pieces.ts";
import { PieceMap } from "#core/download/snapshot.ts";
import { MemoryPieceStore } from "#core/ports/store.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { nodeHasher } from "../../../server/base/node-hasher.ts";
import { FakeSwarm, seededRandom, torrentOf } from "../../support/swarms/fake-swarm.ts";

/** The swarm's torrent as the seed would write it. */
function seedForm(torrent: Torrent): Torrent {
  return { ...torrent, lengths: undefined };
}

async function learn(
  swarm: FakeSwarm,
  torrent = seedForm(swarm.torrent),
  connect = (url: string) => swarm.peers.find((peer) => peer.url === url)!,
): Promise<LearnedLengths> {
  let settled = false;
  const learning = learnLengths({
    torrent,
    trackers: [swarm.tracker],
    connect,
    hasher: nodeHasher,
    clock: swarm.clock,
    random: seededRandom(1),
    signal: new AbortController().signal,
  }).finally(() => {
    settled = true;
  });
  learning.catch(() => undefined);
  await swarm.until("learned", () => settled);
  expect(swarm.clock.pending).toBe(0);
  return learning;
}

describe("learning the lengths of a legacy torrent", () => {
  it("leaves a peer that drips after 10 s, and asks another", async () => {
    const swarm = new FakeSwarm({ pieces: 3 });
    const drip = swarm.add();
    drip.getPiece = async (_index, sink, signal) => {
      for (;;) {
        await sleep(swarm.clock, 1_000, signal);
        await sink.write(new Uint8Array(1));
      }
    };
    swarm.add();
    await learn(swarm);
    expect(swarm.clock.now()).toBeLessThan(30_000);
  });

  for (const [pieces, lastPiece] of [
    [1, 0],
    [1, 700],
    [2, 1],
    [5, 1_000],
    [5, 999],
  ] as const) {
    it(`tells ${pieces} pieces, the last of ${lastPiece} bytes`, async () => {
      const swarm = new FakeSwarm({ pieces, lastPiece });
      swarm.add();
      const { geometry, pieces: learned } = await learn(swarm);
      expect(geometry.length).toBe(swarm.bytes.length);
      expect(geometry.count).toBe(pieces);
      expect(learned.size).toBe(pieces === 1 ? 1 : 2);
    });
  }

  it("believes no wrong piece, and asks a liar once", async () => {
    const swarm = new FakeSwarm({ pieces: 5 });
    swarm.add();
    const liar = swarm.add(); // first in turn for piece 1
    for (const index of [0, 4]) liar.corrupt(index, (piece) => piece.slice(0, 10));
    const { geometry } = await learn(swarm);
    expect(geometry.length).toBe(5_000);
    expect(liar.asked).toHaveLength(1);
  });

  it("asks elsewhere when no client can be made for a peer", async () => {
    const swarm = new FakeSwarm({ pieces: 3 });
    const [good] = [swarm.add(), swarm.add(), swarm.add()];
    const refused: string[] = [];
    const connect = (url: string) => {
      if (url === good.url) return good;
      refused.push(url);
      throw new TypeError("Invalid URL");
    };
    expect((await learn(swarm, undefined, connect)).geometry.count).toBe(3);
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.length).toBe(new Set(refused).size);
  });

  it("asks elsewhere when a peer is gone, and waits for one that has the piece", async () => {
    const swarm = new FakeSwarm({ pieces: 3 });
    swarm.add().vanish();
    const arrives = swarm.add({ has: [0] });
    swarm.clock.after(5_000, () => arrives.has.set(2));
    expect((await learn(swarm)).geometry.count).toBe(3);
    expect(swarm.clock.now()).toBeGreaterThanOrEqual(5_000);
  });

  it("refuses a torrent whose last piece is longer than its first", async () => {
    const swarm = new FakeSwarm({ pieces: 2 });
    const { torrent } = torrentOf(swarm.bytes, 400);
    swarm.add({
      geometry: {
        ...swarm.geometry,
        offset: (i: number) => i * 400,
        lengthOf: (i: number) => (i ? 600 : 400),
      } as never,
    });
    const last = swarm.bytes.slice(400, 1_000);
    const hash = nodeHasher.create();
    hash.update(last);
    const lying = { ...seedForm(torrent), pieces: [torrent.pieces[0]!, String(hash.digest())] };
    await expect(learn(swarm, lying)).rejects.toThrow("pieces[1]: 600 bytes where the first piece has 400");
  });
});

describe("a download of a legacy torrent", () => {
  /** The lengths of `swarm` are learned, and a download goes on from there. */
  async function learnedDownload(swarm: FakeSwarm) {
    const learned = await putLearned(swarm.store, (await learn(swarm)).pieces);
    return swarm.download({}, { torrent: seedForm(swarm.torrent), learned });
  }

  it("credits the pieces that told the lengths to the peers that gave them", async () => {
    const swarm = new FakeSwarm({ pieces: 6, lastPiece: 400 });
    for (let n = 0; n < 3; n++) swarm.add({ rate: 5_000, latencyMs: 20 });
    const download = await learnedDownload(swarm);
    const [first, last] = [0, 5].map((index) => swarm.peers.find(({ asked }) => asked.includes(index))!.url);
    expect(first).not.toBe(last);
    const before = download.peek();
    expect(before).toMatchObject({ state: "starting", heldBytes: 1_400, downloadedBytes: 1_400 });
    expect(before.peers.map(({ url }) => url)).toEqual([first, last]);
    expect([...before.pieceMap]).toEqual([PieceMap.from(0), 0, 0, 0, 0, PieceMap.from(1)]);
    expect(before.elapsedMs).toBeGreaterThanOrEqual(20 + 200 + 20 + 80);

    download.start();
    await swarm.until("complete", () => download.peek().state === "complete");
    expect(swarm.asked).toHaveLength(6);
    const { peers, downloadedBytes, wastedBytes, pieceMap } = download.peek();
    expect({ downloadedBytes, wastedBytes }).toEqual({ downloadedBytes: 5_400, wastedBytes: 0 });
    expect(peers).toHaveLength(3);
    expect(peers.reduce((sum, { servedPieces }) => sum + servedPieces, 0)).toBe(6);
    expect(peers.reduce((sum, { servedBytes }) => sum + servedBytes, 0)).toBe(5_400);
    expect([...pieceMap]).not.toContain(PieceMap.HELD_BEFORE);
    await download.stop();
  });

  it("explains those pieces, and where the time for them went", async () => {
    const swarm = new FakeSwarm({ pieces: 6 });
    for (let n = 0; n < 2; n++) swarm.add({ rate: 5_000, latencyMs: 20 });
    const download = await learnedDownload(swarm);
    download.start();
    await swarm.until("complete", () => download.peek().state === "complete");
    const { elapsedMs, spentMs, peers, pieces } = download.explain();
    expect(elapsedMs).toBe(download.peek().elapsedMs);
    expect(Object.values(spentMs).reduce((sum, ms) => sum + ms)).toBeCloseTo(elapsedMs);
    expect(pieces.from.every((slot) => slot >= 0)).toBe(true);
    expect(pieces.others[0]).toBe("*");
    expect(pieces.askedAtMs[0]).toBe(0);
    for (const index of [0, 5]) {
      expect(pieces.requests[index]).toBe(1);
      expect(pieces.firstByteMs[index]).toBeGreaterThanOrEqual(20);
      expect(pieces.tookMs[index]).toBeGreaterThanOrEqual(220);
    }
    expect(spentMs.downloading).toBeGreaterThanOrEqual(440);
    for (const { servedPieces, requests, busyMs } of peers) {
      expect(requests).toBe(servedPieces);
      expect(busyMs).toBeGreaterThanOrEqual(200 * servedPieces);
    }
    await download.stop();
  });

  it("is complete with two pieces, and calls a piece of an earlier run just that", async () => {
    const swarm = new FakeSwarm({ pieces: 2 });
    swarm.add();
    swarm.store.write(0 as never, 0, swarm.bytes.subarray(0, 1_000));
    swarm.store.commit(0 as never);
    const download = await learnedDownload(swarm);
    download.start();
    await swarm.until("complete", () => download.peek().state === "complete");
    const { peers, pieceMap, downloadedBytes } = download.peek();
    expect([...pieceMap]).toEqual([PieceMap.HELD_BEFORE, PieceMap.from(0)]);
    expect(peers[0]).toMatchObject({ servedPieces: 1, servedBytes: 1_000, state: "idle" });
    expect(downloadedBytes).toBe(1_000);
    await download.stop();
  });

  it("ends with an error that says so when a later piece has the right hash and another length", async () => {
    const swarm = new FakeSwarm({ pieces: 4 });
    const odd = new Uint8Array(777).fill(7);
    swarm.add().corrupt(2, () => odd);
    const hash = nodeHasher.create();
    hash.update(odd);
    const pieces = swarm.torrent.pieces.map((piece, index) => (index === 2 ? String(hash.digest()) : piece));
    const download = swarm.download({}, { torrent: { ...seedForm(swarm.torrent), pieces } });
    download.start();
    await swarm.until("failed", () => download.peek().state === "failed");
    expect(download.peek().reason).toBe(
      "pieces[2]: 777 bytes with the right hash, where the other pieces say 1000",
    );
    expect(download.peek().peers[0]!.state).not.toBe("banned");
    await download.stop();
  });

  it("still bans a peer whose piece is simply wrong", async () => {
    const swarm = new FakeSwarm({ pieces: 4 });
    swarm.add().corrupt(2, () => new Uint8Array(777));
    swarm.add();
    const download = swarm.download(
      {},
      { torrent: seedForm(swarm.torrent), store: new MemoryPieceStore(swarm.geometry) },
    );
    download.start();
    await swarm.until("complete", () => download.peek().state === "complete");
    await download.stop();
  });
});

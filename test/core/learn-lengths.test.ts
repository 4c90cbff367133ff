import { describe, expect, it } from "vitest";
import { type LearnedLengths, learnLengths } from "#core/learn-lengths.ts";
import { MemoryPieceStore } from "#core/store.ts";
import type { Torrent } from "#core/torrent.ts";
import { nodeHasher } from "../../server/node-hasher.ts";
import { FakeSwarm, seededRandom, torrentOf } from "../support/fake-swarm.ts";

/** The swarm's torrent as the seed would write it. */
function seedForm(torrent: Torrent): Torrent {
  return { ...torrent, lengths: undefined };
}

async function learn(swarm: FakeSwarm, torrent = seedForm(swarm.torrent)): Promise<LearnedLengths> {
  let settled = false;
  const learning = learnLengths({
    torrent,
    trackers: [swarm.tracker],
    connect: (url) => swarm.peers.find((peer) => peer.url === url)!,
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

describe("learning the lengths of a seed torrent", () => {
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

describe("a download of a seed torrent", () => {
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

import { describe, expect, it } from "vitest";
import { sleep } from "#core/base/clock.ts";
import { PeerFailed } from "#core/base/errors.ts";
import { RateLimit } from "#core/base/rate-limit.ts";
import { Download } from "#core/download/download.ts";
import type { PieceSink } from "#core/ports/peer.ts";
import { MemoryPieceStore } from "#core/ports/store.ts";
import type { PieceIndex } from "#core/torrent/piece.ts";
import { nodeHasher } from "../../../server/base/node-hasher.ts";
import { FakePeer, type FakePeerOptions } from "../../support/swarms/fake-peer.ts";
import { FakeSwarm, seededRandom } from "../../support/swarms/fake-swarm.ts";

const PIECES = 64;
const PIECE_LENGTH = 1_000;
/** Pieces a second: what the seeder gives all of them together, and what each leecher gives. */
const SEEDER_RATE = 20;
const LEECHER_RATE = 60;
const LEECHERS = 8;
/** From a leecher's start until the tracker names it, give or take a third; they start within less than that. */
const LISTED_AFTER_MS = 700;
const STARTED_WITHIN_MS = 300;

/** An answer over the rate waits at most so long; who would wait longer is told to come back. */
const MAX_WAIT_MS = 1_000;

/** Gives out so much and no more, over all who ask, as a peer with --limit-upload does. */
class LimitedPeer extends FakePeer {
  sent = 0;
  readonly #limit: RateLimit;
  readonly #clock: FakePeerOptions["clock"];

  constructor(options: FakePeerOptions, bytesPerSecond: number) {
    super(options);
    this.#clock = options.clock;
    this.#limit = new RateLimit(bytesPerSecond, options.clock);
  }

  override async getPiece(index: PieceIndex, sink: PieceSink, signal: AbortSignal): Promise<void> {
    const endMs = this.#limit.waitMs(PIECE_LENGTH);
    const aheadMs = endMs - (PIECE_LENGTH * 1000) / this.#limit.bytesPerSecond;
    if (aheadMs > MAX_WAIT_MS) {
      const retryAfterMs = Math.ceil(aheadMs - MAX_WAIT_MS / 2);
      throw new PeerFailed("resource_exhausted", "as much as its limit allows", { retryAfterMs });
    }
    this.#limit.book(PIECE_LENGTH);
    await sleep(this.#clock, Math.max(0, Math.min(endMs, MAX_WAIT_MS)), signal).catch((gone) => {
      this.#limit.giveBack(PIECE_LENGTH);
      throw gone;
    });
    this.sent++;
    await super.getPiece(index, sink, signal);
  }
}

/** So many download what one limited seeder has, and each gives what it has got until it is done and leaves. */
async function crowd(leechers: number, seed: number): Promise<{ copies: number; lastMs: number }> {
  const swarm = new FakeSwarm({ pieces: PIECES, pieceLength: PIECE_LENGTH, seed });
  const { clock, geometry, bytes, torrent, tracker } = swarm;
  const common = { clock, geometry, bytes };
  const seeder = new LimitedPeer({ ...common, url: "http://seeder.test" }, SEEDER_RATE * PIECE_LENGTH);
  swarm.peers.push(seeder);
  const random = seededRandom(seed);
  const byUrl = new Map<string, FakePeer>([[seeder.url, seeder]]);
  const doneMs: number[] = [];
  const downloads = Array.from({ length: leechers }, (_, number) => {
    const store = new MemoryPieceStore(geometry);
    const url = `http://leecher-${number}.test`;
    const peer = new FakePeer({ ...common, url, rate: LEECHER_RATE * PIECE_LENGTH });
    // What it holds is what it gives, at any moment.
    Object.defineProperty(peer, "has", { get: () => store.held });
    const download = new Download({
      ...{ torrent, store, clock, hasher: nodeHasher, trackers: [tracker] },
      connect: (named) => byUrl.get(named)!,
      random: seededRandom(1_000 * seed + number),
      isSelf: (named) => named === url,
    });
    const leave = () => {
      doneMs.push(clock.now());
      peer.vanish();
      swarm.peers.splice(swarm.peers.indexOf(peer), 1);
    };
    clock.after(random() * STARTED_WITHIN_MS, () => {
      download.start();
      void download.whenDone.then(leave);
      byUrl.set(url, peer);
      clock.after(LISTED_AFTER_MS * (2 / 3 + (2 / 3) * random()), () => void swarm.peers.push(peer));
    });
    return download;
  });
  await swarm.until("all have the file", () => doneMs.length === leechers);
  await Promise.all(downloads.map((download) => download.stop()));
  return { copies: seeder.sent / PIECES, lastMs: Math.max(...doneMs) };
}

describe("a flash crowd of eight at a slow seeder", () => {
  it.each([1, 2, 3, 4])(
    "takes the file from it at most twice, within twice the time of one (%i)",
    async (seed) => {
      const alone = await crowd(1, seed);
      const all = await crowd(LEECHERS, seed);
      expect(alone.copies).toBe(1);
      expect(all.copies).toBeLessThanOrEqual(1.6);
      expect(all.lastMs).toBeLessThanOrEqual(2 * alone.lastMs);
    },
  );
});

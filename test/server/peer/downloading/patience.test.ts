import { describe, expect, it, onTestFinished } from "vitest";
import { PeerFailed } from "#core/base/errors.ts";
import { RateLimit } from "#core/base/rate-limit.ts";
import type { Download } from "#core/download/download.ts";
import { GaveUp, WaitLimit } from "../../../../server/peer/downloading/patience.ts";
import { FakeSwarm } from "../../../support/swarms/fake-swarm.ts";
import { start } from "../../../support/swarms/running-download.ts";

const LIMIT_MS = 5_000;

/** Limits the download's waiting. Says when it gave up. */
function limited(swarm: FakeSwarm, download: Download, limitMs = LIMIT_MS): { lost: unknown; atMs: number } {
  const limit = new WaitLimit(limitMs, swarm.clock);
  const outcome = { lost: undefined as unknown, atMs: Number.NaN };
  limit.lost.catch((error: unknown) => Object.assign(outcome, { lost: error, atMs: swarm.clock.now() }));
  const look = () => limit.watch(download.peek());
  const stop = download.subscribe(look);
  onTestFinished(() => {
    stop();
    limit.end();
  });
  return outcome;
}

describe("a limit on waiting", () => {
  it.each([
    ["answers each request with a page", new PeerFailed("internal", "answered with a web page")],
    ["refuses each request", new PeerFailed("resource_exhausted", "busy")],
    ["closes each connection", new PeerFailed("unavailable", "closed")],
  ])("ends a download whose only peer %s, in time", async (_, error) => {
    const swarm = new FakeSwarm();
    const peer = swarm.add({ latencyMs: 40 });
    peer.getPiece = async (index, _sink, signal) => {
      await peer.getBitfield(signal);
      peer.asked.push(index);
      throw error;
    };
    const outcome = limited(swarm, start(swarm));
    await swarm.until("given up", () => outcome.lost !== undefined, 2 * LIMIT_MS);
    expect(outcome.lost).toBeInstanceOf(GaveUp);
    expect((outcome.lost as GaveUp).message).toContain(error.message);
    expect(peer.asked.length, "tried meanwhile").toBeGreaterThan(2);
    expect(outcome.atMs).toBeGreaterThanOrEqual(LIMIT_MS);
    expect(outcome.atMs).toBeLessThan(LIMIT_MS + 1_500);
  });

  it("counts the time in which a peer does not say what it has", async () => {
    const swarm = new FakeSwarm();
    const peer = swarm.add();
    peer.has.clear(0);
    const failed = new PeerFailed("unavailable", "gone");
    peer.getPiece = () => Promise.reject(failed);
    peer.getBitfield = (signal) =>
      new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    const outcome = limited(swarm, start(swarm));
    await swarm.until("given up", () => outcome.lost !== undefined, 3 * LIMIT_MS);
  });

  it("is begun anew by a right piece, and by nothing else", async () => {
    const swarm = new FakeSwarm({ pieces: 3 });
    const peer = swarm.add();
    const getPiece = peer.getPiece.bind(peer);
    let rightAtMs = 4_000;
    peer.getPiece = (...args) => {
      if (swarm.clock.now() < rightAtMs) return Promise.reject(new PeerFailed("unavailable", "closed"));
      rightAtMs = Number.POSITIVE_INFINITY;
      return getPiece(...args);
    };
    const download = start(swarm);
    const outcome = limited(swarm, download);
    await swarm.until("a piece", () => download.peek().heldPieces === 1, 8_000);
    const heldMs = swarm.clock.now();
    await swarm.until("given up", () => outcome.lost !== undefined, 3 * LIMIT_MS);
    expect(outcome.atMs - heldMs).toBeGreaterThan(LIMIT_MS - 100);
  });

  it("lets a slow peer take its time, and a rate limit too", async () => {
    const swarm = new FakeSwarm({ pieces: 2, pieceLength: 8_000 });
    swarm.add({ rate: 1_000 });
    const download = start(swarm);
    const outcome = limited(swarm, download, 500);
    await swarm.until("complete", () => download.peek().state === "complete");
    expect(outcome.lost).toBeUndefined();

    const other = new FakeSwarm({ pieces: 5, pieceLength: 10_000 });
    other.add();
    const held = start(other, {}, { limit: new RateLimit(2_000, other.clock) });
    const second = limited(other, held, 500);
    await other.until("complete", () => held.peek().state === "complete");
    expect(second.lost).toBeUndefined();
  });
});

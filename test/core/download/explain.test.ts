import { afterEach, describe, expect, it } from "vitest";
import { PeerFailed } from "#core/base/errors.ts";
import { RateLimit } from "#core/base/rate-limit.ts";
import type { Download } from "#core/download/download.ts";
import { ASKED, whyNotWords } from "#core/download/explain.ts";
import { FakeSwarm } from "../../support/swarms/fake-swarm.ts";

let running: Download | undefined;
afterEach(() => running?.stop());

function start(swarm: FakeSwarm, ...args: Parameters<FakeSwarm["download"]>): Download {
  running = swarm.download(...args);
  running.start();
  return running;
}

const ended = (download: Download) => () => ["complete", "failed"].includes(download.peek().state);
const sum = (values: Iterable<number>) => [...values].reduce((total, value) => total + value, 0);

describe("a download explains itself", () => {
  /** 80 pieces from a slow peer, one that lies, one that dies half way and a good one. */
  async function badCompany() {
    const swarm = new FakeSwarm({ pieces: 80 });
    const slow = swarm.add({ rate: 300 });
    const liar = swarm.add({ rate: 20_000 });
    const dying = swarm.add({ rate: 20_000 });
    const good = swarm.add({ rate: 20_000, latencyMs: 20 });
    for (let index = 0; index < 80; index++) liar.corrupt(index);
    const download = start(swarm);
    await swarm.until("half", () => download.peek().heldPieces >= 40);
    dying.vanish(new PeerFailed("unavailable", "connection refused"));
    await swarm.until("complete", ended(download));
    return { swarm, download, slow, liar, dying, good };
  }

  it("names a slow, a lying, a dying and a good peer with the true reason of each", async () => {
    const { download } = await badCompany();
    const { peers } = download.explain();
    const [slow, liar, dying, good] = peers;
    expect(peers.map(({ verdict }) => verdict)).toEqual(["slow", "lied", "failed", "good"]);
    expect(slow!.leftOut + slow!.overtaken).toBeGreaterThan(0);
    expect(liar!.notes[0]!.text).toMatch(/^banned: asked for piece \d+: piece \d+ has the wrong hash$/);
    expect(liar).toMatchObject({ state: "banned", servedPieces: 0 });
    expect(dying!.notes[0]!.text).toMatch(/^backing off: asked .*: connection refused$/);
    expect(dying!.servedPieces).toBeGreaterThan(5);
    expect(good).toMatchObject({ failures: 0, notes: [] });
    expect(Math.round(good!.firstByteMs!)).toBeGreaterThanOrEqual(20);
  });

  it("knows of every piece who served it, how long it took, and why nobody else was asked", async () => {
    const { swarm, download } = await badCompany();
    const { pieces, peers } = download.explain();
    for (const { slot, servedPieces } of peers) {
      expect(pieces.from.filter((from) => from === slot)).toHaveLength(servedPieces);
    }
    for (let index = 0; index < swarm.geometry.count; index++) {
      const others = pieces.others[index]!;
      expect(others).toHaveLength(4);
      expect(others.indexOf(ASKED)).toBeGreaterThanOrEqual(0);
      for (const letter of others) expect(letter === ASKED || letter in whyNotWords).toBe(true);
      expect(pieces.tookMs[index]).toBeGreaterThanOrEqual(pieces.firstByteMs[index]!);
      expect(pieces.requests[index]).toBeGreaterThanOrEqual(1);
    }
    const last = pieces.askedAtMs.indexOf(Math.max(...pieces.askedAtMs));
    expect(pieces.others[last]![1]).toBe("x");
    expect(pieces.others[last]![2]).toBe("w");
  });

  it("says what each of the others lacked, or how busy it was", async () => {
    const swarm = new FakeSwarm({ pieces: 20 });
    swarm.add({ has: [0, 1, 2, 3, 4], rate: 10_000 });
    swarm.add({ rate: 10_000 });
    const skipped = swarm.add();
    const connect = (url: string) => {
      if (url === skipped.url) throw new PeerFailed("unimplemented", "cannot be used from here");
      return swarm.peers.find((peer) => peer.url === url)!;
    };
    const download = start(swarm, {}, { connect });
    await swarm.until("complete", ended(download));
    const { pieces, peers } = download.explain();
    expect(pieces.others[10]).toBe("n*k");
    expect(peers[2]).toMatchObject({ verdict: "skipped", reason: "cannot be used from here", requests: 0 });
    const ofBoth = pieces.others.slice(0, 5).join("");
    expect(ofBoth).toMatch(/[bor]/);
  });

  it("spends every millisecond on something", async () => {
    const swarm = new FakeSwarm({ pieces: 20 });
    swarm.tracker.away = true;
    const seeder = swarm.add({ rate: 20_000, latencyMs: 100 });
    const limit = new RateLimit(5_000, swarm.clock);
    const download = start(swarm, {}, { limit });
    await swarm.clock.tick(3_000);
    expect(download.explain().trackerProblem).toContain("the tracker is away");
    swarm.tracker.away = false;
    await swarm.until("some", () => download.peek().heldPieces >= 5);
    download.pause();
    await swarm.clock.tick(2_000);
    download.resume();
    await swarm.until("more", () => download.peek().heldPieces >= 10);
    seeder.vanish();
    await swarm.clock.tick(5_000);
    seeder.comeBack();
    await swarm.until("complete", ended(download), 120_000);
    const { elapsedMs, spentMs, requestMs } = download.explain();
    expect(sum(Object.values(spentMs))).toBeCloseTo(elapsedMs);
    expect(spentMs.tracker).toBeGreaterThanOrEqual(3_000);
    expect(spentMs.paused).toBeGreaterThanOrEqual(2_000);
    expect(spentMs.waiting).toBeGreaterThan(1_000);
    expect(spentMs.limited).toBeGreaterThan(500);
    expect(spentMs.downloading).toBeGreaterThan(1_000);
    expect(requestMs.firstByte).toBeGreaterThan(1_000);
    await swarm.clock.tick(10_000);
    expect(download.explain().elapsedMs).toBe(elapsedMs);
  });

  it("does not blame a peer that keeps to its rate", async () => {
    const swarm = new FakeSwarm({ pieces: 10 });
    const busy = swarm.add();
    busy.vanish(new PeerFailed("resource_exhausted", "as much as its limit allows", { retryAfterMs: 300 }));
    const download = start(swarm);
    await swarm.clock.tick(2_000);
    busy.comeBack();
    await swarm.until("complete", ended(download));
    expect(download.explain().peers[0]).toMatchObject({ verdict: "good", failures: 0 });
    expect(download.explain().peers[0]!.refused).toBeGreaterThan(0);
  });

  it("tells pieces that were here before from those that are missing", async () => {
    const swarm = new FakeSwarm({ pieces: 3 });
    swarm.store.write(swarm.geometry.index(0), 0, swarm.bytes.slice(0, 1_000));
    swarm.store.commit(swarm.geometry.index(0));
    swarm.add({ has: [1] });
    const download = start(swarm);
    await swarm.until("two", () => download.peek().heldPieces === 2);
    expect(download.explain().pieces.from).toEqual([-1, 0, -2]);
  });
});

import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Announcer, type AnnouncerStatus } from "#core/announce/announcer.ts";
import { Bitfield } from "#core/base/bitfield.ts";
import { PiezaError } from "#core/base/errors.ts";
import type { Announce, Announced, AnnouncedTorrent, Lease, Tracker } from "#core/ports/tracker.ts";
import { FakeClock } from "../../support/fake-clock.ts";

/** Writes down what it is told, and answers as it is set to. */
class NotingTracker implements Tracker {
  readonly url = "http://tracker";
  readonly heard: Announce[] = [];
  readonly times: number[] = [];
  failing: PiezaError | undefined;
  silent = false;
  resend: string[] = [];
  alwaysResend = false;
  /** An answer waits for it. */
  gate: Promise<void> | undefined;
  readonly #clock: FakeClock;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  async announce(announce: Announce, signal: AbortSignal): Promise<Announced> {
    this.heard.push(announce);
    this.times.push(this.#clock.now());
    await this.gate;
    if (this.silent)
      await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    if (this.failing) throw this.failing;
    return {
      lease: announce.lease ?? { id: "lease", secret: "secret" },
      trackerId: "id",
      nextAnnounceMs: 10_000,
      listed: true,
      notListedReason: "",
      url: "http://127.0.0.1:1",
      resend: this.alwaysResend ? ["a".repeat(64)] : this.resend.splice(0),
    };
  }

  async locate(): Promise<never> {
    throw new Error("nobody asks here");
  }

  get events() {
    return this.heard.map(({ event }) => event);
  }
}

const clock = { current: new FakeClock() };
let tracker: NotingTracker;
let announcer: Announcer;
let saved: Lease[];
let told: AnnouncerStatus[];

function make(lease?: Lease): Announcer {
  return new Announcer({
    tracker,
    clock: clock.current,
    random: () => 0.999,
    address: () => ({ port: 1, tls: false, identifyKey: new Uint8Array(32) }),
    leases: { load: async () => lease, save: async (lease) => void saved.push(lease) },
    onStatus: (status) => told.push(status),
  });
}
const tick = (ms: number) => clock.current.tick(ms);
const has = (digit: string, revision: number, ...held: number[]): AnnouncedTorrent => ({
  infoHash: digit.repeat(64),
  fileName: "file",
  totalPieces: 8,
  revision,
  bitfield: Bitfield.of(8, held),
});
const said = (at: number) =>
  tracker.heard.at(at)?.torrents.map(({ revision, bitfield }) => [revision, bitfield && [...bitfield]]);

beforeEach(() => {
  clock.current = new FakeClock();
  tracker = new NotingTracker(clock.current);
  saved = [];
  told = [];
  announcer = make();
});
afterEach(async () => {
  tracker.silent = false;
  const stopped = announcer.stop();
  await tick(2_000);
  await stopped;
  expect(clock.current.pending, "timers left after stop").toBe(0);
});

describe("what is announced, and when", () => {
  it("STARTED with every torrent, then heartbeats when the tracker wants them", async () => {
    announcer.update(has("a", 1, 0));
    announcer.update(has("b", 1));
    announcer.start();
    await tick(30_000);
    expect(tracker.events).toEqual(["started", "heartbeat", "heartbeat", "heartbeat"]);
    expect(tracker.times).toEqual([0, 10_000, 20_000, 30_000]);
    expect(said(0)).toEqual([
      [1, [0]],
      [1, []],
    ]);
    expect(said(1)).toEqual([
      [1, undefined],
      [1, undefined],
    ]);
    expect(saved).toEqual([{ id: "lease", secret: "secret" }]);
  });

  it("PROGRESS at most every 5 s, with the last word on each torrent", async () => {
    announcer.start();
    await tick(5_000);
    for (let piece = 0; piece < 8; piece++) {
      announcer.update(has("a", piece + 1, ...Array(piece + 1).keys()));
      await tick(1_000);
    }
    expect(tracker.events).toEqual(["started", "progress", "progress"]);
    expect(tracker.times).toEqual([0, 5_000, 10_000]);
    expect(said(1)).toEqual([[1, [0]]]);
    expect(said(2)).toEqual([[5, [0, 1, 2, 3, 4]]]);
    await tick(5_000);
    expect(said(3)).toEqual([[8, [0, 1, 2, 3, 4, 5, 6, 7]]]);
  });

  it("COMPLETED at once, once", async () => {
    announcer.update(has("a", 1, 0));
    announcer.start();
    await tick(1_000);
    announcer.update(has("a", 2, 0, 1, 2, 3, 4, 5, 6, 7));
    announcer.completed("a".repeat(64));
    await tick(9_000);
    expect(tracker.events).toEqual(["started", "completed"]);
    expect(tracker.times).toEqual([0, 1_000]);
  });

  it("only what update was given: a bitfield that changes afterwards is not announced", async () => {
    const torrent = has("a", 1, 0);
    announcer.update(torrent);
    torrent.bitfield?.set(5);
    announcer.start();
    await tick(0);
    expect(said(0)).toEqual([[1, [0]]]);
  });

  it("a torrent that was left is told as left, and no more", async () => {
    announcer.update(has("a", 1));
    announcer.start();
    await tick(5_000);
    announcer.leave("a".repeat(64));
    announcer.leave("b".repeat(64));
    await tick(0);
    expect(tracker.heard.at(-1)).toMatchObject({ event: "progress", torrents: [], left: ["a".repeat(64)] });
  });

  it("a torrent that was left and joined again is not told as left", async () => {
    announcer.update(has("a", 1));
    announcer.start();
    await tick(1_000);
    announcer.leave("a".repeat(64));
    announcer.update(has("a", 2, 0));
    await tick(4_000);
    expect(tracker.heard.at(-1)).toMatchObject({ event: "progress", left: [] });
    expect(said(-1)).toEqual([[2, [0]]]);
  });

  it("news that comes while an announce is under way is told next", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    tracker.gate = promise;
    announcer.update(has("a", 1, 0));
    announcer.start();
    await tick(1_000);
    announcer.update(has("a", 2, 0, 1));
    resolve();
    await tick(4_000);
    expect(tracker.events).toEqual(["started", "progress"]);
    expect(said(1)).toEqual([[2, [0, 1]]]);
  });

  it("more than 1,024 torrents, or 3 MiB of bitfields, go in several announces one after the other", async () => {
    const hash = (n: number) => n.toString(16).padStart(64, "0");
    for (let n = 0; n < 2_500; n++) announcer.update({ ...has("a", 1), infoHash: hash(n) });
    announcer.start();
    await tick(1);
    expect(tracker.events).toEqual(["started", "progress", "progress"]);
    expect(tracker.heard.map(({ torrents }) => torrents.length)).toEqual([1_024, 1_024, 452]);
    for (let n = 0; n < 300; n++) {
      const bitfield = new Bitfield(131_072);
      announcer.update({ ...has("a", 1), infoHash: hash(n), totalPieces: 131_072, revision: 2, bitfield });
    }
    await tick(5_000);
    const sizes = tracker.heard.slice(3).map(({ torrents }) => torrents.length);
    expect(sizes.reduce((sum, size) => sum + size)).toBe(300);
    expect(Math.max(...sizes) * 16_384).toBeLessThan(3 << 20);
  });
});

describe("when the tracker does not play along", () => {
  it("what it asks for is sent again, and to one that always asks once a second", async () => {
    announcer.update(has("a", 1, 0));
    announcer.start();
    await tick(5_000);
    tracker.resend = ["a".repeat(64), "f".repeat(64)];
    await tick(6_000);
    expect(tracker.events).toEqual(["started", "heartbeat", "progress"]);
    expect(tracker.times).toEqual([0, 10_000, 11_000]);
    expect(said(2)).toEqual([[1, [0]]]);
    tracker.alwaysResend = true;
    await tick(60_000);
    expect(tracker.heard.length).toBeLessThan(65);
  });

  it("a lease of the last run is taken up, and one that is refused is dropped", async () => {
    announcer = make({ id: "old", secret: "older" });
    announcer.start();
    await tick(0);
    expect(tracker.heard[0]?.lease).toEqual({ id: "old", secret: "older" });
    expect(saved).toEqual([]);
    tracker.failing = new PiezaError("permission_denied", "not yours");
    await tick(10_000);
    tracker.failing = undefined;
    await tick(5_000);
    expect(tracker.heard.at(-1)).toMatchObject({ event: "started", lease: undefined });
    expect(saved).toEqual([{ id: "lease", secret: "secret" }]);
  });

  it("forgotten: STARTED again at once, with everything", async () => {
    announcer.update(has("a", 1, 0));
    announcer.start();
    await tick(9_000);
    tracker.failing = new PiezaError("not_found", "who are you?");
    await tick(1_000);
    expect(tracker.events).toEqual(["started", "heartbeat", "started"]);
    expect(said(2)).toEqual([[1, [0]]]);
    tracker.failing = undefined;
  });

  it("backs off by doubling to 5 s, and obeys a hint", async () => {
    tracker.failing = new PiezaError("unavailable", "away");
    announcer.start();
    await tick(30_000);
    const pauses = tracker.times.slice(1).map((time, n) => time - tracker.times[n]!);
    expect(pauses.slice(0, 6).map((ms) => Math.round(ms / 10) * 10)).toEqual([
      250, 500, 1_000, 2_000, 4_000, 5_000,
    ]);
    expect(Math.max(...pauses)).toBeLessThanOrEqual(5_000);
    tracker.failing = new PiezaError("resource_exhausted", "later", { retryAfterMs: 60_000 });
    await tick(130_000);
    expect(tracker.times.at(-1)! - tracker.times.at(-2)!).toBe(60_000);
    tracker.failing = undefined;
    await tick(60_000);
    tracker.failing = new PiezaError("unavailable", "away again");
    const tries = tracker.heard.length;
    await tick(11_000);
    expect(tracker.times[tries + 1]! - tracker.times[tries]!).toBeLessThan(250);
  });

  it("warns once a minute, however often it tries, and says when all is well again", async () => {
    tracker.failing = new PiezaError("unavailable", "away");
    announcer.start();
    await tick(59_000);
    expect(told.map(({ state, reason }) => [state, reason])).toEqual([["failing", "away"]]);
    await tick(70_000);
    expect(told).toHaveLength(3);
    tracker.failing = undefined;
    await tick(5_000);
    expect(told.at(-1)).toMatchObject({ state: "announced", listed: true, url: "http://127.0.0.1:1" });
  });

  it("a tracker that never answers is tried again after 10 s", async () => {
    tracker.silent = true;
    announcer.start();
    await tick(10_300);
    expect(tracker.heard).toHaveLength(2);
    expect(told[0]).toMatchObject({ state: "failing", reason: "http://tracker does not answer" });
  });
});

describe("the end", () => {
  it("DRAINING at once, heartbeats while it drains, then STOPPED", async () => {
    announcer.update(has("a", 1));
    announcer.start();
    await tick(1_000);
    const drained = announcer.drain();
    await tick(0);
    await drained;
    await tick(10_000);
    const stopped = announcer.stop();
    await tick(0);
    await stopped;
    await tick(60_000);
    expect(tracker.events).toEqual(["started", "draining", "heartbeat", "stopped"]);
    expect(told.at(-1)).toMatchObject({ state: "stopped" });
  });

  it("draining and stopping end by themselves when the tracker is away or silent", async () => {
    announcer.start();
    await tick(0);
    tracker.failing = new PiezaError("unavailable", "away");
    const drained = announcer.drain();
    await tick(0);
    await drained;
    tracker.silent = true;
    const stopped = announcer.stop();
    await tick(2_000);
    await stopped;
    expect(clock.current.pending).toBe(0);
  });

  it("stop before start, twice, or while STARTED is under way", async () => {
    await announcer.stop();
    await announcer.stop();
    announcer.start();
    await tick(10_000);
    expect(tracker.events).toEqual([]);
    announcer = make();
    tracker.silent = true;
    announcer.start();
    await tick(0);
    const stopped = announcer.stop();
    tracker.silent = false;
    await tick(2_000);
    await stopped;
    expect(tracker.events).toEqual(["started"]);
  });
});

import { afterEach, beforeEach, expect, it } from "vitest";
import { Announcer, type CopiesNews } from "#core/announce/announcer.ts";
import { Bitfield } from "#core/base/bitfield.ts";
import { PiezaError } from "#core/base/errors.ts";
import type { Announce, Announced, FailureReport, Tracker } from "#core/ports/tracker.ts";
import { FakeClock } from "../../support/fake-clock.ts";

/** Writes down what it is told, and answers as it is set to. */
class NotingTracker implements Tracker {
  readonly url = "http://tracker";
  readonly heard: Announce[] = [];
  answer: Partial<Announced> = {};
  failing: PiezaError | undefined;

  async announce(announce: Announce): Promise<Announced> {
    this.heard.push(announce);
    if (this.failing) throw this.failing;
    return {
      lease: { id: "lease", secret: "secret" },
      trackerId: "id",
      nextAnnounceMs: 4_000,
      listed: true,
      notListedReason: "",
      url: "http://127.0.0.1:1",
      resend: [],
      ...this.answer,
    };
  }

  async locate(): Promise<never> {
    throw new Error("nobody asks here");
  }

  get events() {
    return this.heard.map(({ event }) => event);
  }
}

const infoHash = "a".repeat(64);
const volunteer = { capacityBytes: 100, freeBytes: 60, bytesPerSecond: 0 };
let clock: FakeClock;
let tracker: NotingTracker;
let announcer: Announcer;
let copies: CopiesNews;
let answers: Announced[];

beforeEach(() => {
  clock = new FakeClock();
  tracker = new NotingTracker();
  copies = {};
  answers = [];
  announcer = new Announcer({
    tracker,
    clock,
    random: () => 0.999,
    address: () => ({ port: 1, tls: false, identifyKey: new Uint8Array(32) }),
    leases: { load: async () => undefined, save: async () => {} },
    zone: "rack 1",
    copies: () => copies,
    onAnswer: (answer) => answers.push(answer),
  });
});
afterEach(async () => {
  const stopped = announcer.stop();
  await clock.tick(2_000);
  await stopped;
  expect(clock.pending, "timers left after stop").toBe(0);
});

const seen = (n: number): FailureReport => ({ url: `http://peer:${n}`, infoHash, kind: "unreachable" });

it("the zone goes with STARTED, what is lent with every announce but the last, and every answer is heard", async () => {
  copies = { volunteer };
  announcer.start();
  await clock.tick(4_000);
  copies = { volunteer: { ...volunteer, freeBytes: 50 }, declined: [{ id: "7", reason: "no-space" }] };
  await clock.tick(4_000);
  expect(tracker.heard.map(({ zone }) => zone)).toEqual(["rack 1", undefined, undefined]);
  expect(tracker.heard.map((announce) => announce.volunteer?.freeBytes)).toEqual([60, 60, 50]);
  expect(tracker.heard[2]?.declined).toEqual([{ id: "7", reason: "no-space" }]);
  expect(answers).toHaveLength(3);
  const stopped = announcer.stop();
  await clock.tick(0);
  await stopped;
  expect(tracker.heard.at(-1)).toMatchObject({ event: "stopped" });
  expect(tracker.heard.at(-1)?.volunteer).toBeUndefined();
});

it("what an answer lets go of is gone in the next announce", async () => {
  const bitfield = Bitfield.of(8, [0, 1]);
  announcer.update({ infoHash, fileName: "file", totalPieces: 8, revision: 1, bitfield });
  announcer.start();
  await clock.tick(0);
  answers.push = (answer) => {
    if (answer.grants) announcer.leave(infoHash);
    return 0;
  };
  tracker.answer = { grants: [{ infoHash, totalPieces: 8, ranges: [{ first: 0, last: 1 }] }] };
  await clock.tick(4_000);
  tracker.answer = {};
  await clock.tick(4_000);
  expect(tracker.heard.at(-1)).toMatchObject({ left: [infoHash], torrents: [] });
});

it("failures are told once, when the tracker has answered", async () => {
  announcer.report(seen(1));
  announcer.start();
  await clock.tick(0);
  expect(tracker.heard[0]?.failures, "of somebody without a lease").toBeUndefined();
  tracker.failing = new PiezaError("unavailable", "away");
  await clock.tick(4_000);
  announcer.report(seen(1));
  announcer.report(seen(2));
  tracker.failing = undefined;
  await clock.tick(5_000);
  const told = tracker.heard.map(({ failures = [] }) => failures.map(({ url }) => url.slice(-1)).join());
  expect(told.slice(0, 3)).toEqual(["", "1", "1,2"]);
  expect(told.slice(3).join("")).toBe("");
});

it("of more than 64 failures the newest are told, and none that is older than a minute", async () => {
  announcer.start();
  await clock.tick(0);
  for (let n = 0; n < 100; n++) announcer.report(seen(n));
  await clock.tick(4_000);
  expect(tracker.heard.at(-1)?.failures?.map(({ url }) => url)).toEqual(
    Array.from({ length: 64 }, (_, n) => `http://peer:${n + 36}`),
  );
  tracker.answer = { nextAnnounceMs: 61_000 };
  await clock.tick(4_000);
  announcer.report(seen(1));
  await clock.tick(61_000);
  expect(tracker.heard.at(-1)?.failures).toEqual([]);
});

it("a peer that leaves asks every 2 s until others have what only it has", async () => {
  announcer.start();
  await clock.tick(1_000);
  tracker.answer = { lastCopies: 3, nextAnnounceMs: 10_000 };
  let handedOver = false;
  const drained = announcer.drain();
  await clock.tick(0);
  await drained;
  void announcer.handedOver().then(() => {
    handedOver = true;
  });
  await clock.tick(4_500);
  expect(tracker.events).toEqual(["started", "draining", "heartbeat", "heartbeat"]);
  expect(handedOver).toBe(false);
  tracker.answer = { lastCopies: 0 };
  await clock.tick(1_500);
  expect(handedOver).toBe(true);
});

it("a tracker that is away hands nothing over: nobody waits for it", async () => {
  announcer.start();
  await clock.tick(0);
  tracker.failing = new PiezaError("unavailable", "away");
  const drained = announcer.drain();
  await clock.tick(0);
  await drained;
  await announcer.handedOver();
});

import { afterEach, beforeEach, expect, it } from "vitest";
import { PiezaError } from "#core/base/errors.ts";
import { locateLoop } from "#core/download/locate-loop.ts";
import type { SwarmTable, Tracker } from "#core/ports/tracker.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const swarm = { infoHash: "a".repeat(64), totalPieces: 4 };
const INTERVAL_MS = 4_000;

/** What a tracker does when it is asked: answers, refuses, or says nothing. */
type Mood = "well" | "away" | "silent" | "empty" | "busy";

class ScriptedTracker implements Tracker {
  readonly url: string;
  readonly asked: number[] = [];
  open = 0;
  mood: Mood = "well";
  readonly #clock: FakeClock;

  constructor(url: string, clock: FakeClock) {
    this.url = url;
    this.#clock = clock;
  }

  announce(): never {
    throw new Error("nobody announces here");
  }

  async locate(_: unknown, signal: AbortSignal): Promise<SwarmTable> {
    this.asked.push(this.#clock.now());
    if (this.mood === "away") throw new PiezaError("unavailable", "connection refused");
    if (this.mood === "empty") throw new PiezaError("not_found", "no such swarm");
    if (this.mood === "busy") throw new PiezaError("unavailable", "overloaded", { retryAfterMs: 8_000 });
    if (this.mood === "silent") {
      this.open++;
      await new Promise((_, reject) =>
        signal.addEventListener("abort", () => {
          this.open--;
          reject(signal.reason);
        }),
      );
    }
    return { peers: [], turn: 0, trackerId: this.url, nextLocateMs: INTERVAL_MS };
  }
}

let clock: FakeClock;
let trackers: ScriptedTracker[];
let answers: { by: string; atMs: number }[];
let failures: string[];
let stop: AbortController;
let loop: Promise<void>;
let random: number;
let idle: boolean;

beforeEach(() => {
  clock = new FakeClock();
  trackers = ["a", "b", "c"].map((url) => new ScriptedTracker(url, clock));
  answers = [];
  failures = [];
  random = 0.5;
  idle = false;
  stop = new AbortController();
});
afterEach(async () => {
  stop.abort(new Error("over"));
  await clock.tick(0);
  await loop;
  expect(clock.pending, "timers left").toBe(0);
  expect(trackers.map(({ open }) => open)).toEqual([0, 0, 0]);
});

function start(list: readonly Tracker[] = trackers): void {
  loop = locateLoop(
    {
      trackers: list,
      swarm,
      clock,
      random: () => random,
      onTable: ({ trackerId }) => answers.push({ by: trackerId, atMs: clock.now() }),
      onFailure: (reason) => failures.push(reason),
      isIdle: () => idle,
    },
    stop.signal,
  );
}

const last = () => answers.at(-1);

/** What a download waits for its first four answers but one: an eighth, a quarter and half of what it is told. */
const FIRST_MS = INTERVAL_MS / 8 + INTERVAL_MS / 4 + INTERVAL_MS / 2;

it("the preferred tracker is asked alone while it answers", async () => {
  start();
  await clock.tick(FIRST_MS + 10 * INTERVAL_MS);
  expect(answers).toHaveLength(14);
  expect(trackers[1]!.asked).toEqual([]);
});

it("is asked three times as often while nobody gives anything, but for a swarm that nobody knows", async () => {
  idle = true;
  start();
  await clock.tick(FIRST_MS);
  const before = trackers[0]!.asked.length;
  await clock.tick(30 * INTERVAL_MS);
  expect(trackers[0]!.asked.length - before).toBeGreaterThanOrEqual(89);
  for (const tracker of trackers) tracker.mood = "empty";
  await clock.tick(INTERVAL_MS);
  const empty = trackers[0]!.asked.length;
  await clock.tick(60_000);
  expect(trackers[0]!.asked.length - empty).toBeLessThanOrEqual(30);
});

it("one that refuses is followed by the next at once, and the next is remembered", async () => {
  trackers[0]!.mood = "away";
  start();
  await clock.tick(0);
  expect(last()).toEqual({ by: "b", atMs: 0 });
  await clock.tick(FIRST_MS + 10 * INTERVAL_MS);
  expect(answers).toHaveLength(14);
  expect(trackers[0]!.asked).toEqual([0]);
});

it("one that falls silent costs half a second, two cost one", async () => {
  trackers[0]!.mood = "silent";
  trackers[1]!.mood = "silent";
  start();
  await clock.tick(1_000);
  expect(last()).toEqual({ by: "c", atMs: 1_000 });
  expect(trackers[0]!.open + trackers[1]!.open).toBe(0);
});

it("returns to the preferred one after a minute, and stays if that is away still", async () => {
  trackers[0]!.mood = "away";
  start();
  await clock.tick(FIRST_MS + 15 * INTERVAL_MS);
  expect(trackers[0]!.asked).toEqual([0, FIRST_MS + 15 * INTERVAL_MS]);
  expect(last()).toEqual({ by: "b", atMs: FIRST_MS + 15 * INTERVAL_MS });
  trackers[0]!.mood = "well";
  await clock.tick(60_000);
  expect(last()).toEqual({ by: "a", atMs: FIRST_MS + 30 * INTERVAL_MS });
  await clock.tick(INTERVAL_MS);
  expect(last()).toEqual({ by: "a", atMs: FIRST_MS + 31 * INTERVAL_MS });
});

it("a round fails when the last of those asked has failed, each 5 s after it was asked", async () => {
  trackers[0]!.mood = "silent";
  trackers[1]!.mood = "silent";
  trackers[2]!.mood = "away";
  start();
  await clock.tick(4_999);
  expect(answers).toEqual([]);
  expect(failures).toEqual([]);
  await clock.tick(5_000);
  expect(failures[0]).toBe("b does not answer");
});

it("one that knows no such swarm is an answer only if no other knows better", async () => {
  trackers[0]!.mood = "empty";
  start();
  await clock.tick(0);
  expect(last()?.by).toBe("b");
  for (const tracker of trackers) tracker.mood = "away";
  trackers[2]!.mood = "empty";
  await clock.tick(INTERVAL_MS);
  expect(last()?.by).toBe("");
  expect(failures).toEqual([]);
});

it("waits as long as it is told to by a tracker that is overloaded, when there is no other", async () => {
  trackers[0]!.mood = "busy";
  start([trackers[0]!]);
  await clock.tick(7_999);
  expect(trackers[0]!.asked).toEqual([0]);
  await clock.tick(1);
  expect(trackers[0]!.asked).toEqual([0, 8_000]);
});

it("asks again soon at first, for whoever began at the same moment, then as often as it is told", async () => {
  start();
  await clock.tick(FIRST_MS + 2 * INTERVAL_MS);
  expect(answers.map(({ atMs }) => atMs)).toEqual([0, 500, 1_500, 3_500, 7_500, 11_500]);
});

it("spreads the interval that it is told by a tenth either way", async () => {
  random = 0;
  start();
  await clock.tick(0.9 * FIRST_MS);
  answers.length = 0;
  await clock.tick(3_600);
  random = 0.999_999;
  await clock.tick(3_600);
  await clock.tick(4_399);
  expect(answers.map(({ atMs }) => atMs - 0.9 * FIRST_MS)).toEqual([3_600, 7_200]);
  await clock.tick(1);
  expect(answers).toHaveLength(3);
});

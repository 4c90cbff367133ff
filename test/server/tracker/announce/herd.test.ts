import { afterEach, beforeEach, expect, it } from "vitest";
import { Announcer } from "#core/announce/announcer.ts";
import { Bitfield } from "#core/base/bitfield.ts";
import { sleep } from "#core/base/clock.ts";
import { FairSlots } from "../../../../server/tracker/announce/fair-slots.ts";
import type { ReachabilityCheck } from "../../../../server/tracker/announce/reachability.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { seededRandom } from "../../../support/swarms/fake-swarm.ts";
import { infoHash, RouterTracker } from "../../../support/swarms/router-tracker.ts";

const swarm = { infoHash: infoHash("a"), totalPieces: 8 };
/** What the tracker's one thread does for one announce, and for one that it puts off, in ms. */
const SERVED_MS = 0.4;
const SHED_MS = 0.1;
/** A dial takes so long, at least; as much again at random; and DEAD_MS where nobody is, which one of DEAD_ONES is. */
const DIAL_MS = 10;
const DEAD_MS = 2_000;
const DEAD_ONES = 100;
const SOURCES = 50;

/** One thread: what comes faster than it can be done waits, and that is how late the event loop is. */
class Thread {
  readonly #clock: FakeClock;
  #backlogMs = 0;
  #atMs = 0;
  worstMs = 0;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  get lateMs(): number {
    const now = this.#clock.now();
    this.#backlogMs = Math.max(0, this.#backlogMs - (now - this.#atMs));
    this.#atMs = now;
    return this.#backlogMs;
  }

  work(ms: number): void {
    this.#backlogMs = this.lateMs + ms;
    this.worstMs = Math.max(this.worstMs, this.#backlogMs);
  }
}

let clock: FakeClock;
let thread: Thread;
let tracker: RouterTracker;
beforeEach(() => {
  clock = new FakeClock();
  thread = new Thread(clock);
  const random = seededRandom(5);
  const slots = new FairSlots(64);
  const reachability: ReachabilityCheck = {
    async check({ url, source }, signal) {
      const dead = Number(new URL(url).port) % DEAD_ONES === 0;
      const dialMs = dead ? DEAD_MS : DIAL_MS * (1 + random());
      await slots.run(source, signal, () => sleep(clock, dialMs, signal));
      return { listed: !dead, reason: dead ? "nobody there" : "", proven: !dead };
    },
  };
  const trackerLimits = { maxLeasesPerAddress: 100_000 };
  const loopDelayMs = () => thread.lateMs;
  tracker = new RouterTracker(clock, { random, reachability, loopDelayMs, trackerLimits });
});
afterEach(() => tracker.close());

function startPeers(count: number): void {
  const random = seededRandom(6);
  for (let n = 1; n <= count; n++) {
    const remote = tracker.remote(`127.0.${n % SOURCES}.1`);
    const announcer = new Announcer({
      tracker: {
        ...remote,
        announce: async (announce, signal) => {
          const before = tracker.calls;
          try {
            const answer = await remote.announce(announce, signal);
            thread.work(SERVED_MS);
            return answer;
          } catch (error) {
            if (tracker.calls > before) thread.work(SHED_MS);
            throw error;
          }
        },
      },
      clock,
      random,
      address: () => ({ port: 10_000 + n, tls: false, identifyKey: new Uint8Array(32) }),
      leases: { load: async () => undefined, save: async () => {} },
    });
    announcer.update({ ...swarm, fileName: "file", revision: 1, bitfield: Bitfield.full(8) });
    clock.after(10_000 * random(), () => announcer.start());
  }
}

const listed = async () =>
  (await tracker.store.swarm(swarm))?.members.filter((member) => member.listed).length ?? 0;

it.each([
  [1_000, 20],
  [10_000, 60],
])(
  "%i peers that find a tracker restarted with nothing are all called back and listed within %i s",
  {
    timeout: 300_000,
  },
  async (peers, withinS) => {
    const reachable = peers - Math.floor(peers / DEAD_ONES);
    startPeers(peers);
    await clock.tick(15_000);
    expect(await listed()).toBe(reachable);
    // Away until every peer has noticed, and tries again and again.
    tracker.up = false;
    await clock.tick(12_000);
    await tracker.restart();
    thread.worstMs = 0;
    const inSeconds: number[] = [];
    while ((await listed()) < reachable && inSeconds.length < withinS) {
      const before = tracker.calls;
      await clock.tick(1_000);
      inSeconds.push(tracker.calls - before);
    }
    console.info(
      `announces second by second: ${inSeconds.join(" ")}; ${Math.round(thread.worstMs)} ms late at most`,
    );
    expect(await listed()).toBe(reachable);
    // Each needs two to be known again: one that finds it forgotten, and STARTED.
    expect(Math.max(...inSeconds), "announces in one second").toBeLessThan(peers);
    expect(thread.worstMs, "an announce waits, in ms").toBeLessThan(2_000);
  },
);

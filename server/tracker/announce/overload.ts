import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Random } from "#core/base/clock.ts";
import { PiezaError } from "#core/base/errors.ts";
import type { AnnounceEvent } from "#core/ports/tracker.ts";
import { nodeClock } from "../../base/node-clock.ts";

/**
 * Delay of the event loop from which on an announce is put off: newcomers first, because they cost most and can wait;
 * heartbeats last, because a lease that ends has to be made again. Who leaves makes it better, and is always heard.
 */
const SHED_MS: Readonly<Record<AnnounceEvent, number>> = {
  started: 100,
  progress: 200,
  completed: 200,
  heartbeat: 400,
  draining: Number.POSITIVE_INFINITY,
  stopped: Number.POSITIVE_INFINITY,
};
/** Who is put off comes back after that, each at another time, and the later the busier the tracker is. */
const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 20_000;
/** For each ms of delay the latest of them come so much later. */
const RETRY_PER_DELAY = 50;
/** Intervals grow with the delay, up to so many times: a heartbeat's with its jitter stays well under its lease. */
const MAX_HEARTBEAT_STRETCH = 1.5;
const MAX_LOCATE_STRETCH = 4;
/** The delay at which an interval is twice as long. */
const DOUBLING_MS = 100;

/** What a busy tracker does less of. Reads are never refused: they are asked for less often. */
export class Overload {
  readonly #delayMs: () => number;
  readonly #random: Random;

  /** `delayMs`: how late the event loop is. */
  constructor(delayMs: () => number, random: Random) {
    this.#delayMs = delayMs;
    this.#random = random;
  }

  /** Fails with `unavailable`, and says when to come back, if an announce is to wait. */
  admit(event: AnnounceEvent): void {
    const delayMs = this.#delayMs();
    if (delayMs <= SHED_MS[event]) return;
    const latestMs = Math.min(RETRY_MAX_MS, RETRY_PER_DELAY * delayMs);
    const retryAfterMs = Math.round(RETRY_MIN_MS + (latestMs - RETRY_MIN_MS) * this.#random());
    throw new PiezaError("unavailable", "the tracker is busy", { retryAfterMs });
  }

  /** A heartbeat's interval as it should be now. */
  heartbeatMs(ms: number): number {
    return Math.round(ms * this.#stretch(MAX_HEARTBEAT_STRETCH));
  }

  /** A downloader's interval as it should be now. */
  locateMs(ms: number): number {
    return Math.round(ms * this.#stretch(MAX_LOCATE_STRETCH));
  }

  #stretch(max: number): number {
    return Math.min(max, 1 + this.#delayMs() / DOUBLING_MS);
  }
}

/** How often the event loop is looked at, which is part of what is measured. */
const RESOLUTION_MS = 10;
/** What is said of the loop is from the last such time. */
const WINDOW_MS = 1_000;
/** Under it the loop is idle: timers are never exact. */
const NOISE_MS = 10;

/** One long answer makes the loop late once; only a loop that is mostly late is overloaded. */
const PERCENTILE = 75;

/** How late this process' event loop is: three of four looks in the last second were less late. */
export class EventLoopDelay {
  readonly #histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  #delayMs = 0;
  #untilMs = nodeClock.now() + WINDOW_MS;

  constructor() {
    this.#histogram.enable();
  }

  get ms(): number {
    if (nodeClock.now() >= this.#untilMs) {
      const lateMs = this.#histogram.percentile(PERCENTILE) / 1e6 - RESOLUTION_MS;
      this.#delayMs = lateMs > NOISE_MS ? lateMs : 0;
      this.#histogram.reset();
      this.#untilMs = nodeClock.now() + WINDOW_MS;
    }
    return this.#delayMs;
  }

  close(): void {
    this.#histogram.disable();
  }
}

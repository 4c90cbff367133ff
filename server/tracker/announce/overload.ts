import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Random } from "#core/base/clock.ts";
import { PiezaError } from "#core/base/errors.ts";
import type { AnnounceEvent } from "#core/ports/tracker.ts";
import { nodeClock } from "../../base/node-clock.ts";

/**
 * Announces are refused above these delays of the event loop. Newcomers are refused first, because they cost most and
 * can wait, and heartbeats last, because a lease that ends has to be made again. Peers that leave are never refused.
 */
const SHED_MS: Readonly<Record<AnnounceEvent, number>> = {
  started: 100,
  progress: 200,
  completed: 200,
  heartbeat: 400,
  draining: Number.POSITIVE_INFINITY,
  stopped: Number.POSITIVE_INFINITY,
};
/** A refused peer is told to retry after a random time between these, which grows with the delay. */
const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 20_000;
/** The longest retry time grows by this many ms for each ms of delay. */
const RETRY_PER_DELAY = 50;
/** Intervals grow with the delay up to these factors. A heartbeat with its jitter stays well under the lease. */
const MAX_HEARTBEAT_STRETCH = 1.5;
const MAX_LOCATE_STRETCH = 4;
/** The delay that doubles an interval. */
const DOUBLING_MS = 100;

/** Reduces the load of a busy tracker. Reads are never refused; downloaders are told to ask less often. */
export class Overload {
  readonly #delayMs: () => number;
  readonly #random: Random;

  /** `delayMs` returns how late the event loop is. */
  constructor(delayMs: () => number, random: Random) {
    this.#delayMs = delayMs;
    this.#random = random;
  }

  /** Throws `unavailable` with a retry time if the tracker is too busy for this announce. */
  admit(event: AnnounceEvent): void {
    const delayMs = this.#delayMs();
    if (delayMs <= SHED_MS[event]) return;
    const latestMs = Math.min(RETRY_MAX_MS, RETRY_PER_DELAY * delayMs);
    const retryAfterMs = Math.round(RETRY_MIN_MS + (latestMs - RETRY_MIN_MS) * this.#random());
    throw new PiezaError("unavailable", "the tracker is busy", { retryAfterMs });
  }

  /** A heartbeat's interval at the current delay. */
  heartbeatMs(ms: number): number {
    return Math.round(ms * this.#stretch(MAX_HEARTBEAT_STRETCH));
  }

  /** A downloader's interval at the current delay. */
  locateMs(ms: number): number {
    return Math.round(ms * this.#stretch(MAX_LOCATE_STRETCH));
  }

  #stretch(max: number): number {
    return Math.min(max, 1 + this.#delayMs() / DOUBLING_MS);
  }
}

/** The interval at which the loop is sampled. Node's histogram includes it in each sample. */
const RESOLUTION_MS = 10;
/** The delay is computed from the samples of one window. */
const WINDOW_MS = 1_000;
/** A smaller delay counts as none, because timers are never exact. */
const NOISE_MS = 10;

/** One long answer delays the loop once. Only a loop that is late most of the time is overloaded. */
const PERCENTILE = 75;

/** The delay of this process' event loop: the 75th percentile of the samples of the last second. */
export class EventLoopDelay {
  readonly #histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  #latestMs = 0;
  #untilMs = nodeClock.now() + WINDOW_MS;

  constructor() {
    this.#histogram.enable();
  }

  /** The delay in ms. */
  readonly delayMs = (): number => {
    if (nodeClock.now() >= this.#untilMs) {
      const lateMs = this.#histogram.percentile(PERCENTILE) / 1e6 - RESOLUTION_MS;
      this.#latestMs = lateMs > NOISE_MS ? lateMs : 0;
      this.#histogram.reset();
      this.#untilMs = nodeClock.now() + WINDOW_MS;
    }
    return this.#latestMs;
  };

  close(): void {
    this.#histogram.disable();
  }
}

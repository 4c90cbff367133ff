import type { Clock } from "#core/base/clock.ts";

/** The monotonic clock of the browser. */
export const browserClock: Clock = {
  now: () => performance.now(),
  after(ms, fn) {
    const timer = setTimeout(fn, ms);
    return () => clearTimeout(timer);
  },
};

import type { Clock } from "#core/base/clock.ts";

/** The browser's monotonic clock. */
export const browserClock: Clock = {
  now: () => performance.now(),
  after(ms, fn) {
    const timer = setTimeout(fn, ms);
    return () => clearTimeout(timer);
  },
};

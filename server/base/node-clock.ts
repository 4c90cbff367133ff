import type { Clock } from "#core/base/clock.ts";

/** The machine's monotonic clock. Its timers keep the process alive, so their owners cancel them when they stop. */
export const nodeClock: Clock = {
  now: () => performance.now(),
  after(ms, fn) {
    const timer = setTimeout(fn, ms);
    return () => clearTimeout(timer);
  },
};

import type { Clock } from "#core/base/clock.ts";

/** The machine's monotonic clock. Its timers keep the process alive; whoever starts one cancels it in its `stop`. */
export const nodeClock: Clock = {
  now: () => performance.now(),
  after(ms, fn) {
    const timer = setTimeout(fn, ms);
    return () => clearTimeout(timer);
  },
};

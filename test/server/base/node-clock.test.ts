import { setTimeout } from "node:timers/promises";
import { afterEach, describe, expect, it, vi } from "vitest";
import { nodeClock } from "../../../server/base/node-clock.ts";

describe("the machine's clock", () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it.each([3_600_000, -3_600_000, -86_400_000])(
    "goes on evenly when the wall clock jumps by %d ms",
    async (jumpMs) => {
      vi.useFakeTimers({ toFake: ["Date"], now: 1_700_000_000_000 });
      const before = nodeClock.now();
      vi.setSystemTime(Date.now() + jumpMs);
      await setTimeout(5);
      const passed = nodeClock.now() - before;
      expect(passed).toBeGreaterThan(0);
      expect(passed).toBeLessThan(60_000);
    },
  );
});

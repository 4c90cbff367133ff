import { describe, expect, it } from "vitest";
import { type Clock, sleep } from "#core/base/clock.ts";

/** A clock, and how the test lets time pass: by hand, or by doing nothing. */
export interface ClockCase {
  readonly clock: Clock;
  /** `reached` resolves by the clock's own doing; a clock that is moved by hand moves until it has. */
  pass(ms: number, reached: Promise<unknown>): Promise<unknown>;
}

/** Where only order is at stake; a real clock takes it for real. */
const STEP_MS = 10;

/** What every Clock promises. No time is measured but on the clock itself. */
export function clockContract(name: string, make: () => ClockCase): void {
  describe(`Clock: ${name}`, () => {
    /** Lets `ms` pass on the clock. */
    function passed({ clock, pass }: ClockCase, ms: number): Promise<unknown> {
      return pass(ms, new Promise<void>((resolve) => void clock.after(ms, resolve)));
    }

    it("never goes back", async () => {
      const it = make();
      let last = it.clock.now();
      for (let step = 0; step < 5; step++) {
        for (let look = 0; look < 1_000; look++) {
          const now = it.clock.now();
          expect(now >= last).toBe(true);
          last = now;
        }
        await passed(it, 1);
      }
      expect(Number.isFinite(last)).toBe(true);
    });

    it("calls back once, after that time and never within the call itself", async () => {
      const it = make();
      const began = it.clock.now();
      let calls = 0;
      let tookMs = 0;
      it.clock.after(STEP_MS, () => {
        calls++;
        tookMs = it.clock.now() - began;
      });
      expect(calls).toBe(0);
      await passed(it, 3 * STEP_MS);
      expect(calls).toBe(1);
      // Timers count in whole milliseconds, the clock in parts of them.
      expect(tookMs).toBeGreaterThanOrEqual(STEP_MS - 1);
    });

    it("calls back later for no time at all, too", async () => {
      const it = make();
      let calls = 0;
      it.clock.after(0, () => calls++);
      expect(calls).toBe(0);
      await passed(it, STEP_MS);
      expect(calls).toBe(1);
    });

    it("calls the shorter first", async () => {
      const it = make();
      const order: string[] = [];
      it.clock.after(5 * STEP_MS, () => order.push("long"));
      it.clock.after(STEP_MS, () => order.push("short"));
      await passed(it, 8 * STEP_MS);
      expect(order).toEqual(["short", "long"]);
    });

    it("does not call back what was cancelled, and leaves the others alone", async () => {
      const it = make();
      const called: string[] = [];
      const cancel = it.clock.after(STEP_MS, () => called.push("cancelled"));
      it.clock.after(STEP_MS, () => called.push("other"));
      cancel();
      cancel();
      await passed(it, 3 * STEP_MS);
      expect(called).toEqual(["other"]);
    });

    it("takes a cancel that comes late, and one from within the call", async () => {
      const it = make();
      const called: string[] = [];
      const cancel = it.clock.after(1, () => {
        called.push("first");
        cancel();
      });
      await passed(it, STEP_MS);
      it.clock.after(STEP_MS, () => called.push("second"));
      cancel();
      await passed(it, 3 * STEP_MS);
      expect(called).toEqual(["first", "second"]);
    });

    it("wakes who sleeps, and lets go of who is aborted", async () => {
      const it = make();
      const abort = new AbortController();
      const aborted = sleep(it.clock, 1_000_000, abort.signal);
      const reason = new Error("enough");
      abort.abort(reason);
      await expect(aborted).rejects.toBe(reason);
      await it.pass(STEP_MS, sleep(it.clock, STEP_MS));
    });
  });
}

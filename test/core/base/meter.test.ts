import { describe, expect, it } from "vitest";
import { PeerPace, RateMeter } from "#core/base/meter.ts";

describe("a rate meter", () => {
  it("says bytes per second over its window, and nothing after a silence as long", () => {
    const meter = new RateMeter(0);
    for (let at = 0; at <= 10_000; at += 100) meter.add(at, 1_000);
    expect(meter.rate(10_000)).toBeGreaterThan(9_500);
    expect(meter.rate(10_000)).toBeLessThan(10_500);
    expect(meter.rate(12_500)).toBeLessThan(6_000);
    expect(meter.rate(16_000)).toBe(0);
  });

  it("says the rate of pieces that come further apart than its window, and nothing once they stay away", () => {
    const meter = new RateMeter(0);
    for (let at = 10_000; at <= 40_000; at += 10_000) meter.add(at, 1_000_000);
    for (const at of [40_000, 44_000, 49_900]) expect(meter.rate(at)).toBeCloseTo(100_000);
    expect(meter.rate(55_000)).toBeLessThan(100_000);
    expect(meter.rate(61_000)).toBe(0);
  });

  it("does not exaggerate the first bytes", () => {
    const meter = new RateMeter(0);
    meter.add(1, 1_000);
    expect(meter.rate(1)).toBeLessThanOrEqual(5_000);
  });
});

/** A pace after answers of 1,000 bytes, `inFlight` at a time, each batch `ms` after it was asked for. */
function paced(batches: number, inFlight: number, ms: number, idleMs = 0): PeerPace {
  const pace = new PeerPace();
  let now = 0;
  for (let batch = 0; batch < batches; batch++) {
    for (let n = 0; n < inFlight; n++) pace.onRequested(now);
    now += ms;
    for (let n = 0; n < inFlight; n++) pace.onServed(now, 1_000, ms);
    now += idleMs;
  }
  return pace;
}

describe("a peer's pace", () => {
  it("is unknown before the first piece, and one request is to show it", () => {
    const pace = new PeerPace();
    expect(pace.rate).toBeUndefined();
    expect(pace.window(1_000, 16)).toBe(1);
    expect(pace.window(1_000, 1)).toBe(1);
  });

  it("counts only the time in which the peer had something to do", () => {
    expect(paced(10, 1, 100).rate).toBeCloseTo(10_000);
    expect(paced(10, 1, 100, 5_000).rate).toBeCloseTo(10_000);
  });

  it("a failed request says nothing about the rate", () => {
    const pace = paced(10, 1, 100);
    pace.onRequested(1_000);
    pace.onFailed(9_000);
    expect(pace.rate).toBeCloseTo(10_000);
  });

  it("a long fast path gets a wide window, a slow peer one request or two", () => {
    expect(paced(10, 8, 100).window(1_000, 16)).toBeGreaterThanOrEqual(8);
    expect(paced(10, 1, 5_000).window(1_000, 16)).toBeLessThanOrEqual(3);
  });
});

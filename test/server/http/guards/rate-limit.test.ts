import { describe, expect, it } from "vitest";
import { CallRate } from "../../../../server/http/guards/rate-limit.ts";

describe("the rate limit", () => {
  function limit(burst: number, perSecond: number) {
    const time = { ms: 0 };
    return { time, limit: new CallRate(burst, perSecond, () => time.ms) };
  }

  it("lets a burst through, then says how long to wait", () => {
    const { limit: rate } = limit(3, 20);
    expect([1, 2, 3].map(() => rate.take("10.0.0.1"))).toEqual([0, 0, 0]);
    expect(rate.take("10.0.0.1")).toBe(50);
  });

  it("gives back what time gives, up to the burst", () => {
    const { limit: rate, time } = limit(3, 20);
    for (let n = 0; n < 3; n++) rate.take("10.0.0.1");
    time.ms = 50;
    expect([rate.take("10.0.0.1"), rate.take("10.0.0.1")]).toEqual([0, 50]);
    time.ms = 1_000_000;
    expect([1, 2, 3, 4].map(() => rate.take("10.0.0.1"))).toEqual([0, 0, 0, 50]);
  });

  it("counts addresses apart, and a whole /64 as one", () => {
    const { limit: rate } = limit(1, 1);
    expect(["10.0.0.1", "10.0.0.2"].map((address) => rate.take(address))).toEqual([0, 0]);
    expect(["2001:db8::1", "2001:db8::2"].map((address) => rate.take(address))).toEqual([0, 1_000]);
    expect(rate.take("2001:db8:0:1::1")).toBe(0);
  });

  it("emptied lets nothing through until its time, and then as fast as ever", () => {
    const { limit: rate, time } = limit(3, 20);
    rate.take("10.0.0.1");
    rate.empty("10.0.0.1", 400);
    expect(rate.take("10.0.0.1")).toBe(400);
    time.ms = 399;
    expect(rate.take("10.0.0.1")).toBe(1);
    time.ms = 400;
    expect([rate.take("10.0.0.1"), rate.take("10.0.0.1")]).toEqual([0, 50]);
    expect(rate.take("10.0.0.2"), "another").toBe(0);
  });

  it("forgets the quietest of 10,000 addresses first", () => {
    const { limit: rate } = limit(1, 0.001);
    for (let n = 0; n < 10_000; n++) rate.take(`a${n}`);
    expect(rate.take("a0")).toBeGreaterThan(0);
    rate.take("one more");
    expect(rate.take("a0"), "asked lately").toBeGreaterThan(0);
    expect(rate.take("a1"), "quiet longest").toBe(0);
  });
});

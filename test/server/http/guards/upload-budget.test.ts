import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { UploadBudget } from "../../../../server/http/guards/upload-budget.ts";

/** Takes as much as it gets for one address, one at a time. */
function greedy(budget: UploadBudget, address: string, bytes = 1): (() => void)[] {
  const taken: (() => void)[] = [];
  for (;;) {
    try {
      taken.push(budget.take(address, bytes));
    } catch {
      return taken;
    }
  }
}

describe("upload budget", () => {
  it("gives one greedy address half, so that others find room", () => {
    const budget = new UploadBudget(64);
    expect(greedy(budget, "greedy")).toHaveLength(32);
    expect(greedy(budget, "late").length).toBeGreaterThanOrEqual(16);
    budget.take("latest", 8);
  });

  it("counts all addresses of one IPv6 network as one", () => {
    const budget = new UploadBudget(64);
    expect(greedy(budget, "2001:db8::1")).toHaveLength(32);
    expect(greedy(budget, "2001:db8::2")).toHaveLength(0);
    expect(greedy(budget, "2001:db8:0:1::1")).not.toHaveLength(0);
  });

  it("refuses with a code and a hint that clients understand", () => {
    const budget = new UploadBudget(4);
    greedy(budget, "a");
    expect(() => budget.take("a", 1)).toThrow(
      expect.objectContaining({ code: "resource_exhausted", retryAfterMs: 250 }),
    );
  });

  it("lets a piece larger than everything through when nothing else is under way", () => {
    const budget = new UploadBudget(10);
    const done = budget.take("a", 16);
    expect(() => budget.take("b", 1)).toThrow("too many bytes");
    done();
    budget.take("b", 1);
  });

  it("takes back what was given once, however often it is told", () => {
    const budget = new UploadBudget(10);
    const done = budget.take("a", 4);
    budget.take("a", 1);
    done();
    done();
    expect(budget.inFlightBytes).toBe(1);
  });

  it("never holds more than its limit, whoever asks for what", () => {
    const ask = fc.record({
      address: fc.constantFrom("a", "b", "c"),
      bytes: fc.integer({ min: 1, max: 40 }),
      done: fc.boolean(),
    });
    const property = fc.property(fc.array(ask, { maxLength: 100 }), (asks) => {
      const budget = new UploadBudget(64);
      const open: (() => void)[] = [];
      for (const { address, bytes, done } of asks) {
        if (done) open.shift()?.();
        try {
          open.push(budget.take(address, bytes));
        } catch {}
        if (budget.inFlightBytes > 64) return false;
      }
      for (const end of open) end();
      return budget.inFlightBytes === 0;
    });
    fc.assert(property);
  });
});

import { describe, expect, it } from "vitest";
import { Turns } from "../../../../server/tracker/locate/turns.ts";

/** Swarms whose turn is remembered. */
const REMEMBERED = 100_000;

describe("turns", () => {
  it("begin anywhere and grow by one, each swarm's for itself", () => {
    const turns = new Turns(() => 0.5);
    expect([turns.next("a"), turns.next("a"), turns.next("b"), turns.next("a")]).toEqual([
      32_768, 32_769, 32_768, 32_770,
    ]);
  });

  it("begin at 0 again after the largest number", () => {
    const turns = new Turns(() => (2 ** 32 - 1) / 2 ** 16);
    expect([turns.next("a"), turns.next("a"), turns.next("a")]).toEqual([2 ** 32 - 1, 0, 1]);
  });

  it("of the swarm that was asked for longest ago start anew when there are more than 100,000", () => {
    let begin = 0;
    const turns = new Turns(() => begin / 2 ** 16);
    turns.next("a");
    turns.next("b");
    for (let n = 2; n < REMEMBERED; n++) turns.next(`other ${n}`);
    expect(turns.next("a")).toBe(1);
    begin = 1_000;
    turns.next("one too many");
    expect(turns.next("a")).toBe(2);
    expect(turns.next("b")).toBe(1_000);
  });
});

import { describe, expect, it } from "vitest";
import { Turns } from "../../../server/tracker/turns.ts";

/** Swarms whose turn is remembered for sure. */
const REMEMBERED = 50_000;

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

  it("of a swarm go on while no more than 50,000 others are asked for, and start anew after many more", () => {
    let begin = 0;
    const turns = new Turns(() => begin / 2 ** 16);
    const askForOthers = (count: number) => {
      for (let n = 0; n < count; n++) turns.next(`other ${begin} ${n}`);
    };
    for (let n = 0; n < 4; n++) {
      expect(turns.next("a")).toBe(n);
      begin++;
      askForOthers(REMEMBERED - 1);
    }
    expect(turns.next("a")).toBe(4);
    begin = 1_000;
    askForOthers(2 * REMEMBERED + 1);
    expect(turns.next("a")).toBe(1_000);
  });
});

import { beforeEach, describe, expect, it } from "vitest";
import { type Evictable, Eviction } from "../../../../server/peer/volunteer/eviction.ts";

const torrent = (digit: string, bytes: number): Evictable => ({
  infoHash: digit.repeat(64),
  totalPieces: 8,
  ranges: [{ first: 0, last: 7 }],
  bytes,
});
const a = torrent("a", 10);
const b = torrent("b", 10);
const c = torrent("c", 80);
const names = (asked: readonly { infoHash: string }[]) => asked.map(({ infoHash }) => infoHash[0]).join("");

let eviction: Eviction;
beforeEach(() => {
  eviction = new Eviction(100);
});

describe("with room for 100", () => {
  it("nothing is asked for up to 95; over that, the oldest, until no more than 90 would be left", () => {
    expect(names(eviction.ask("t", 95, [a, b, c], 0))).toBe("");
    expect(names(eviction.ask("t", 96, [a, b, c], 0))).toBe("a");
    expect(names(eviction.ask("t", 101, [a, b, c], 0))).toBe("ab");
    // Between the marks what was asked for is asked for still.
    expect(names(eviction.ask("t", 92, [b, c], 0))).toBe("b");
    expect(names(eviction.ask("t", 90, [b, c], 0))).toBe("");
  });

  it("what a tracker refuses is not asked for again for a minute, and others are", () => {
    eviction.ask("t", 100, [a, b, c], 0);
    expect(eviction.heard("t", [], 1)).toEqual({ dropped: [], kept: [] });
    expect(names(eviction.ask("t", 100, [a, b, c], 1_000))).toBe("b");
    eviction.heard("t", [], 1_001);
    expect(names(eviction.ask("t", 100, [a, b, c], 60_002))).toBe("a");
  });

  it("a grant of other pieces than were asked for, or of what nobody asked for, drops nothing", () => {
    eviction.ask("t", 100, [a, b], 0);
    const other = { ...a, ranges: [{ first: 0, last: 6 }] };
    expect(eviction.heard("t", [other, b], 0)).toEqual({ dropped: [], kept: [] });
  });

  it("a drop is complete when every tracker that has answered lately has granted it", () => {
    for (const id of ["t", "u"]) eviction.heard(id, [], 0);
    eviction.ask("t", 100, [a], 1);
    expect(eviction.heard("t", [a], 1).dropped).toEqual([]);
    eviction.ask("u", 100, [a], 2);
    expect(eviction.heard("u", [a], 2).dropped).toEqual([a.infoHash]);
  });

  it("a tracker that was silent for a minute counts this peer no more, and is not waited for", () => {
    eviction.heard("gone", [], 0);
    eviction.ask("t", 100, [a], 60_001);
    expect(eviction.heard("t", [a], 60_001).dropped).toEqual([a.infoHash]);
  });

  it("what one tracker granted and another refused stays, and the first is to be told", () => {
    for (const id of ["t", "u"]) eviction.heard(id, [], 0);
    eviction.ask("t", 100, [a], 1);
    eviction.heard("t", [a], 1);
    eviction.ask("u", 100, [a], 2);
    expect(eviction.heard("u", [], 2)).toEqual({ dropped: [], kept: [a.infoHash] });
  });

  it("what has changed since it was asked for is not dropped by the old grant", () => {
    eviction.heard("u", [], 0);
    eviction.ask("t", 100, [a], 1);
    const grown = { ...a, ranges: [{ first: 0, last: 3 }] };
    eviction.ask("u", 100, [grown], 2);
    expect(eviction.heard("t", [a], 3)).toEqual({ dropped: [], kept: [a.infoHash] });
  });
});

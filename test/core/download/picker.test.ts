import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Bitfield } from "#core/base/bitfield.ts";
import { PiecePicker } from "#core/download/picker.ts";
import type { PieceIndex } from "#core/torrent/piece.ts";
import { picture, seededRandom } from "../../support/swarms/fake-swarm.ts";

/** A picker told of peers by pictures, one column a piece; peer 0 is the one that picks. */
function picker(
  peers: string[],
  options: { held?: string; sequential?: boolean; seed?: number } = {},
): PiecePicker {
  const held = picture(options.held ?? " ".repeat(peers[0]!.length));
  const made = new PiecePicker(held, {
    random: seededRandom(options.seed ?? 1),
    sequential: options.sequential ?? false,
  });
  for (const [id, marks] of peers.entries()) made.onBitfield(id, picture(marks));
  return made;
}

/** What the peer is given next: a focused piece before any other. */
function pick(made: PiecePicker, id = 0): PieceIndex | undefined {
  return made.pickFocused(id) ?? made.pick(id);
}

/** Everything that peer 0 is given, in order. */
function order(made: PiecePicker, id = 0): number[] {
  const picked: number[] = [];
  for (let index = pick(made, id); index !== undefined; index = pick(made, id)) {
    made.onRequested(id, index);
    made.checkInvariant();
    picked.push(index);
  }
  return picked;
}

describe("picker", () => {
  it("picks the rarest piece that the peer has", () => {
    const picked = order(picker(["*****", " ** *", " *  *", " *   "]));
    expect(picked.slice(0, 2).sort()).toEqual([0, 3]);
    expect(picked.slice(2)).toEqual([2, 4, 1]);
  });

  it("leaves a rarer piece that the peer lacks", () => {
    expect(order(picker([" ** ", "**  "]))).toEqual([2, 1]);
  });

  it("breaks ties at random", () => {
    const first = Array.from({ length: 40 }, (_, seed) => picker(["********"], { seed }).pick(0));
    expect(new Set(first).size).toBeGreaterThan(4);
  });

  it("takes a preferred one among the rarest", () => {
    expect(picker(["********"]).pick(0, (index) => index === 5)).toBe(5);
    expect(picker(["** ", "** ", " * "]).pick(0, (index) => index === 1)).toBe(0);
  });

  it("sequential: goes by number", () => {
    expect(order(picker(["* ** *", "*     "], { sequential: true }))).toEqual([0, 2, 3, 5]);
  });

  it("gives nothing that is held, in flight, or not at the peer", () => {
    const made = picker(["****", "****"], { held: "*   " });
    made.onRequested(1, 1 as PieceIndex);
    expect(order(made).sort()).toEqual([2, 3]);
    expect(made.pick(7)).toBeUndefined();
  });

  it("gives a piece again when its only request failed, and not while another is under way", () => {
    const made = picker(["*", "*", "*"]);
    made.onRequested(0, 0 as PieceIndex);
    made.onRequested(1, 0 as PieceIndex);
    made.onFailed(0, 0 as PieceIndex);
    expect(made.pick(2)).toBeUndefined();
    made.onFailed(1, 0 as PieceIndex);
    expect(made.pick(2)).toBe(0);
  });

  it("serves a peer that has none of the rarest pieces from the few that it has", () => {
    const size = 5_000;
    const made = new PiecePicker(new Bitfield(size), { random: seededRandom(1) });
    made.onBitfield(0, Bitfield.of(size, [4_997, 4_998, 4_999]));
    made.onBitfield(
      1,
      Bitfield.of(
        size,
        Array.from({ length: size }, (_, n) => n),
      ),
    );
    made.onBitfield(2, Bitfield.of(size, [4_997, 4_998, 4_999]));
    made.onBitfield(
      3,
      Bitfield.of(
        size,
        Array.from({ length: 4_990 }, (_, n) => n),
      ),
    );
    expect(order(made).sort()).toEqual([4_997, 4_998, 4_999]);
  });

  it("picks what is wanted as of now, by either of its ways to a piece", () => {
    for (const sequential of [false, true]) {
      const made = picker(["** ***", "*     "], { held: "*     ", sequential });
      made.want(picture(" *  * "), picture("*     "));
      made.checkInvariant();
      expect(order(made).sort()).toEqual([1, 4]);
      made.onFailed(0, 4 as PieceIndex);
      made.want(picture("** * *"), picture("*     "));
      made.checkInvariant();
      expect(order(made).sort()).toEqual([3, 5]);
      for (const index of [1, 3]) made.onHeld(index as PieceIndex);
      expect(made.done).toBe(false);
      made.onHeld(5 as PieceIndex);
      expect(made.done).toBe(true);
    }
  });

  it("counts copies over joins, news and leaves", () => {
    const made = picker(["**  ", "****", " ** "]);
    const copies = () => [0, 1, 2, 3].map((index) => made.availability(index as PieceIndex));
    expect(copies()).toEqual([2, 3, 2, 1]);
    made.onBitfield(0, picture("****"));
    expect(copies()).toEqual([2, 3, 3, 2]);
    made.onPeerGone(1);
    expect(copies()).toEqual([1, 2, 2, 1]);
    made.onPeerGone(1);
    expect(copies()).toEqual([1, 2, 2, 1]);
  });
});

describe("a picker with a focus", () => {
  it("picks the focused pieces in their order before the rarest", () => {
    const made = picker(["******", " *  * "]);
    made.focus([4, 1, 3] as PieceIndex[]);
    expect(order(made).slice(0, 3)).toEqual([4, 1, 3]);
  });

  it("leaves a focused piece to a peer that has it", () => {
    const made = picker(["*  ", "***"]);
    made.focus([2] as PieceIndex[]);
    expect(pick(made, 0)).toBe(0);
    expect(pick(made, 1)).toBe(2);
  });

  it("picks a focused piece that is not wanted, until the focus moves on", () => {
    const made = picker(["****"]);
    made.want(picture("    "), picture("    "));
    expect(made.done).toBe(true);
    made.focus([2, 3] as PieceIndex[]);
    expect(pick(made)).toBe(2);
    made.focus([3] as PieceIndex[]);
    expect(order(made)).toEqual([3]);
    made.onHeld(3 as PieceIndex);
    expect(made.done).toBe(true);
  });

  it("picks a piece again that was lost", () => {
    const made = picker(["****"], { held: "****" });
    made.onLost(1 as PieceIndex);
    expect(order(made)).toEqual([1]);
  });
});

const SIZE = 12;
const kinds = ["bitfield", "gone", "request", "fail", "held", "pick", "want", "focus", "lost"] as const;
type Step = readonly [kind: (typeof kinds)[number], id: number, bits: number];
const step: fc.Arbitrary<Step> = fc.tuple(
  fc.constantFrom(...kinds),
  fc.nat({ max: 4 }),
  fc.nat({ max: 2 ** SIZE - 1 }),
);

describe("picker, over any history", () => {
  it("keeps its invariant, and picks only what is idle, at the peer, and as rare as any such piece", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), fc.nat(), (steps, seed) => {
        const made = new PiecePicker(new Bitfield(SIZE), { random: seededRandom(seed) });
        const model = new Model();
        for (const [kind, id, bits] of steps) {
          apply(made, model, kind, id, bits);
          made.checkInvariant();
        }
      }),
      { numRuns: 300 },
    );
  });
});

/** The same in plain sets. */
class Model {
  readonly has = new Map<number, Bitfield>();
  readonly requests = new Map<number, Set<number>>();
  readonly held = new Set<number>();
  wanted = Bitfield.full(SIZE);
  focus: PieceIndex[] = [];

  /** Wanted or focused, and not held. */
  needed(index: number): boolean {
    return !this.held.has(index) && (this.wanted.has(index) || this.focus.includes(index as PieceIndex));
  }

  idle(index: number): boolean {
    return this.needed(index) && !(this.requests.get(index)?.size ?? 0);
  }

  copies(index: number): number {
    return [...this.has.values()].filter((has) => has.has(index)).length;
  }
}

function apply(made: PiecePicker, model: Model, kind: Step[0], id: number, bits: number): void {
  const index = (bits % SIZE) as PieceIndex;
  const requesters = model.requests.get(index) ?? new Set();
  const marked = [...Array(SIZE).keys()].filter((bit) => bits & (1 << bit));
  if (kind === "bitfield") {
    const has = Bitfield.of(SIZE, marked);
    model.has.set(id, has);
    made.onBitfield(id, has);
  } else if (kind === "gone") {
    model.has.delete(id);
    made.onPeerGone(id);
  } else if (kind === "want") {
    model.wanted = Bitfield.of(SIZE, marked);
    endNeedless(made, model);
    made.want(model.wanted, Bitfield.of(SIZE, [...model.held]));
  } else if (kind === "focus") {
    model.focus = marked
      .slice(0, 4)
      .sort((a, b) => ((a * 7 + id) % SIZE) - ((b * 7 + id) % SIZE)) as PieceIndex[];
    endNeedless(made, model);
    made.focus(model.focus);
  } else if (kind === "lost" && model.held.delete(index)) {
    made.onLost(index);
  } else if (kind === "request" && model.needed(index)) {
    model.requests.set(index, requesters.add(id));
    made.onRequested(id, index);
  } else if (kind === "fail" && requesters.delete(id)) {
    made.onFailed(id, index);
  } else if (kind === "held") {
    model.requests.delete(index);
    model.held.add(index);
    made.onHeld(index);
  } else if (kind === "pick") {
    const offered = [...Array(SIZE).keys()].filter((n) => model.idle(n) && model.has.get(id)?.has(n));
    const picked = pick(made, id);
    const focused = model.focus.find((one) => offered.includes(one));
    if (offered.length === 0) expect(picked).toBeUndefined();
    else if (focused !== undefined) expect(picked).toBe(focused);
    else
      expect(
        offered.filter((n) => model.copies(n) === Math.min(...offered.map((m) => model.copies(m)))),
      ).toContain(picked);
  }
}

/** The owner's part of `want` and `focus`: requests for pieces that nobody needs end first. */
function endNeedless(made: PiecePicker, model: Model): void {
  for (const [index, requesters] of model.requests) {
    if (model.needed(index)) continue;
    for (const id of requesters) made.onFailed(id, index as PieceIndex);
    model.requests.delete(index);
  }
}

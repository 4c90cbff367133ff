import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { holderInTurn } from "#core/base/round-robin.ts";

const turns = fc.integer({ min: 0, max: 2 ** 31 });
const numbers = fc.integer({ min: 1, max: 131_072 });

/** How often each of `holders` is named first for a piece over `calls` turns. */
function shares(turn: number, number: number, holders: number, calls: number): number[] {
  const named = Array<number>(holders).fill(0);
  for (let n = 0; n < calls; n++) named[holderInTurn(turn + n, number, holders)]!++;
  return named;
}

describe("holderInTurn", () => {
  it("names each of four holders in exactly a quarter of the calls, wherever the turn begins", () => {
    fc.assert(
      fc.property(turns, numbers, fc.integer({ min: 1, max: 50 }), (turn, number, rounds) => {
        expect(shares(turn, number, 4, 4 * rounds)).toEqual([rounds, rounds, rounds, rounds]);
      }),
    );
  });

  it("names nobody twice before everybody once, for any number of holders and calls", () => {
    fc.assert(
      fc.property(
        turns,
        numbers,
        fc.integer({ min: 1, max: 50 }),
        fc.nat(300),
        (turn, number, holders, calls) => {
          const named = shares(turn, number, holders, calls);
          expect(Math.max(...named) - Math.min(...named)).toBeLessThanOrEqual(1);
        },
      ),
    );
  });

  it("never points outside the holders, up to the last turn and the last piece", () => {
    const any = fc.integer({ min: 0, max: 2 ** 32 - 1 });
    fc.assert(
      fc.property(any, numbers, fc.integer({ min: 1, max: 100_000 }), (turn, number, holders) => {
        const index = holderInTurn(turn, number, holders);
        expect(Number.isInteger(index) && index >= 0 && index < holders).toBe(true);
      }),
    );
  });

  it("stays fair over joins, leaves and partial holders: within one in every stretch without change", () => {
    const change = fc.record({ peer: fc.nat(7), pieces: fc.uint8Array({ maxLength: 4 }), calls: fc.nat(60) });
    fc.assert(
      fc.property(turns, fc.array(change, { maxLength: 20 }), (start, changes) => {
        let turn = start;
        const held = new Map<number, Set<number>>();
        for (const { peer, pieces, calls } of changes) {
          if (pieces.length === 0) held.delete(peer);
          else held.set(peer, new Set([...pieces].map((byte) => (byte % 8) + 1)));
          for (let number = 1; number <= 8; number++) {
            const holders = [...held.values()].filter((set) => set.has(number)).length;
            if (holders === 0) continue;
            const named = shares(turn, number, holders, calls);
            expect(Math.max(...named) - Math.min(...named)).toBeLessThanOrEqual(1);
          }
          turn += calls;
        }
      }),
    );
  });

  it("sends neighbouring pieces of one answer to different holders", () => {
    expect([1, 2, 3, 4].map((number) => holderInTurn(10, number, 4)).sort()).toEqual([0, 1, 2, 3]);
  });
});

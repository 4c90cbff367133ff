import { describe, expect, it } from "vitest";
import { Bitfield } from "#core/base/bitfield.ts";
import { holderInTurn } from "#core/base/round-robin.ts";
import { NearWindows } from "../../../../server/tracker/locate/near-windows.ts";
import type { SwarmMember } from "../../../../server/tracker/store/swarm-store.ts";

/** S a seeder, l a leecher; each by its place, at an address of its own. */
function members(picture: string, zone: string): SwarmMember[] {
  return [...picture].map((kind, n) => ({
    leaseId: `${zone} ${n}`,
    url: `http://${zone}-${n}`,
    fileName: "file",
    revision: 1,
    zone,
    volunteer: false,
    replicationTarget: 0,
    pieceLength: 0,
    bitfield: kind === "S" ? Bitfield.full(8) : Bitfield.of(8, [0, 2, 4, 6]),
    listed: true,
    draining: false,
  }));
}

const pictures: [string, string, string][] = [
  ["one near, few far", "l", "SSS"],
  ["two near seeders in a large swarm", "SS", "S".repeat(100) + "l".repeat(900)],
  ["a near leecher and one far seeder in a large swarm", "l", `${"l".repeat(500)}S`],
  ["25 near, 25 far", "l".repeat(25), "S".repeat(25)],
  ["more near leechers than places", `SS${"l".repeat(58)}`, `${"S".repeat(30)}${"l".repeat(170)}`],
];

describe.each(pictures)("%s", (_, nearPicture, farPicture) => {
  const near = members(nearPicture, "near");
  const far = members(farPicture, "far");
  const windows = new NearWindows(near, far);
  const tables = Array.from({ length: windows.count }, (_, answer) => windows.at(answer).peers);
  const seeders = [...near, ...far].filter(({ bitfield }) => bitfield.complete).length;

  it("near peers come first in every table, half of one at least where there are so many", () => {
    for (const peers of tables) {
      const zones = peers.map(({ zone }) => zone);
      expect(zones).toEqual([...zones].sort().reverse());
      const named = zones.filter((zone) => zone === "near").length;
      if (near.length <= 25) expect(named).toBe(near.length);
      else expect(named).toBeGreaterThanOrEqual(20);
    }
  });

  it("no table has more than 50 peers, nobody twice, and each three seeders or all there are", () => {
    for (const peers of tables) {
      expect(peers.length).toBeLessThanOrEqual(50);
      expect(new Set(peers).size).toBe(peers.length);
      const complete = peers.filter(({ bitfield }) => bitfield.complete).length;
      expect(complete).toBeGreaterThanOrEqual(Math.min(3, seeders));
    }
  });

  it("equals are named equally often, near and far", () => {
    for (const [kind, equals] of [near, far].flatMap((side) => [
      ["seeders", side.filter(({ bitfield }) => bitfield.complete)] as const,
      ["leechers", side.filter(({ bitfield }) => !bitfield.complete)] as const,
    ])) {
      const times = equals.map((member) => tables.filter((peers) => peers.includes(member)).length);
      if (times.length > 0) expect(Math.max(...times) - Math.min(...times), kind).toBe(0);
      for (const time of times) expect(time).toBeGreaterThan(0);
    }
  });

  it("inside its table each holder of a piece has its turn as often as every other", () => {
    const { peers } = windows.at(0);
    const holders = peers.filter(({ bitfield }) => bitfield.has(0));
    const turns = new Map<SwarmMember, number>();
    for (let round = 0; round < 3 * holders.length; round++) {
      const table = windows.at(round * windows.count);
      expect(table.peers, "the same array, so that its answer is encoded once").toEqual(peers);
      const first = holders[holderInTurn(table.turn, 1, holders.length)]!;
      turns.set(first, (turns.get(first) ?? 0) + 1);
    }
    expect([...turns.values()]).toEqual(holders.map(() => 3));
  });
});

it("a table that comes again is the same object", () => {
  const windows = new NearWindows(members("Sl", "near"), members("S".repeat(200), "far"));
  expect(windows.at(windows.count)).toEqual({ peers: windows.at(0).peers, turn: 1 });
  expect(windows.at(windows.count).peers).toBe(windows.at(0).peers);
});

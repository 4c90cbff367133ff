import { describe, expect, it } from "vitest";
import { Bitfield } from "#core/base/bitfield.ts";
import { holderInTurn } from "#core/base/round-robin.ts";
import { TableWindows } from "../../../../server/tracker/locate/table-windows.ts";
import type { SwarmMember, SwarmSnapshot } from "../../../../server/tracker/store/swarm-store.ts";
import { infoHash } from "../../../support/swarms/router-tracker.ts";

const full = Bitfield.full(8);
const half = Bitfield.of(8, [0, 2, 4, 6]);

/** A swarm written down in lease order: S a seeder, l a leecher, d a draining seeder, n one that is not listed. */
function swarm(picture: string): SwarmSnapshot {
  const members = [...picture].map((kind, n): SwarmMember => {
    const bitfield = kind === "l" ? half : full;
    const what = {
      leaseId: `${n}`,
      url: `http://${n}`,
      fileName: "file",
      revision: 1,
      zone: "",
      volunteer: false,
      replicationTarget: 0,
      pieceLength: 0,
      bitfield,
    };
    return { ...what, listed: kind !== "n", draining: kind === "d" };
  });
  return { infoHash: infoHash("a"), totalPieces: 8, members };
}

/** How often each peer is named in one round of all tables, by place in lease order. */
function namings(picture: string): number[] {
  const windows = new TableWindows(swarm(picture));
  const counts = new Array<number>(picture.length).fill(0);
  for (let answer = 0; answer < windows.count; answer++) {
    for (const { leaseId } of windows.at(answer).peers) counts[Number(leaseId)]!++;
  }
  return counts;
}

const pictures: [string, string][] = [
  ["no peer", ""],
  ["one seeder", "S"],
  ["49 leechers and a seeder", `${"l".repeat(49)}S`],
  ["51 leechers", "l".repeat(51)],
  ["51 seeders", "S".repeat(51)],
  ["200 peers, seeders first", "S".repeat(100) + "l".repeat(100)],
  ["200 peers, mixed", "Sl".repeat(100)],
  ["200 peers, one seeder at the end", `${"l".repeat(199)}S`],
  ["200 peers, four seeders", `SS${"l".repeat(196)}SS`],
  ["1,000 peers, seven seeders", "l".repeat(993) + "S".repeat(7)],
  ["1,000 peers, 61 seeders", "S".repeat(61) + "l".repeat(939)],
];

describe.each(pictures)("%s", (_, picture) => {
  const windows = new TableWindows(swarm(picture));
  const seeders = [...picture].filter((kind) => kind === "S").length;
  const tables = Array.from({ length: windows.count }, (_, answer) => windows.at(answer).peers);

  it("no table has more than 50 peers, all of them different and in lease order", () => {
    for (const peers of tables) {
      const places = peers.map(({ leaseId }) => Number(leaseId));
      expect(places.length).toBeLessThanOrEqual(50);
      expect(places).toEqual([...new Set(places)].sort((a, b) => a - b));
    }
  });

  it("every table has three seeders, or all there are", () => {
    for (const peers of tables) {
      const there = peers.filter(({ bitfield }) => bitfield.complete).length;
      expect(there).toBeGreaterThanOrEqual(Math.min(3, seeders));
    }
  });

  it("every table names somebody who was there before almost everybody else", () => {
    const places = tables.map((peers) => Math.min(...peers.map(({ leaseId }) => Number(leaseId))));
    const oldest = Math.ceil(picture.length / 10);
    for (const place of places) if (picture.length > 0) expect(place).toBeLessThan(oldest);
  });

  it("every peer is named as often as every other of its kind, and a leecher never more than a seeder", () => {
    const counts = namings(picture);
    const of = (kind: string) => new Set(counts.filter((_, place) => picture[place] === kind));
    expect(of("S").size).toBeLessThanOrEqual(1);
    expect(of("l").size).toBeLessThanOrEqual(1);
    if (of("S").size && of("l").size) expect([...of("S")][0]!).toBeGreaterThanOrEqual([...of("l")][0]!);
  });
});

it("where seeders suffice, every peer is named exactly once a round", () => {
  expect(new Set(namings("Sl".repeat(100)))).toEqual(new Set([1]));
  expect(namings("S".repeat(60) + "l".repeat(400)).every((count) => count === 1)).toBe(true);
});

it("peers that are draining or not listed are in no table", () => {
  const { peers } = new TableWindows(swarm("ndSlnd")).at(0);
  expect(peers.map(({ leaseId }) => leaseId)).toEqual(["2", "3"]);
});

it("up to 50 peers are one table, whose turn grows by one an answer", () => {
  const windows = new TableWindows(swarm("Sl".repeat(25)));
  const first = windows.at(1_000);
  expect(first.peers).toHaveLength(50);
  expect(windows.at(1_001)).toEqual({ peers: first.peers, turn: 1_001 });
  expect(windows.at(1_001).peers).toBe(first.peers);
});

it("inside its table each holder of a piece has its turn as often as every other", () => {
  const windows = new TableWindows(swarm("Sl".repeat(100)));
  const firsts = new Map<string, number>();
  for (let answer = 7; answer < 7 + windows.count * 50; answer++) {
    const { peers, turn } = windows.at(answer);
    const holders = peers.filter(({ bitfield }) => bitfield.has(0));
    const { leaseId } = holders[holderInTurn(turn, 1, holders.length)]!;
    firsts.set(leaseId, (firsts.get(leaseId) ?? 0) + 1);
  }
  expect(firsts.size).toBe(200);
  expect([...firsts.values()].every((count) => count === 1)).toBe(true);
});

it("a swarm of 10,000 whose seeders do not divide it keeps few tables in memory", () => {
  const windows = new TableWindows(swarm("l".repeat(9_401) + "S".repeat(599)));
  expect(windows.count).toBeGreaterThan(100_000);
  const first = windows.at(0).peers;
  for (let answer = 1; answer < 200; answer++) windows.at(answer);
  expect(windows.at(0).peers).toEqual(first);
});

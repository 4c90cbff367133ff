import { create, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { Bitfield } from "#core/base/bitfield.ts";
import { LocatePiecesResponseSchema } from "#gen/pieza/v1/tracker_pb.ts";
import { legacyTable } from "../../../../server/tracker/locate/legacy-table.ts";
import { legacyFields, swarmPeers } from "../../../../server/tracker/locate/swarm-message.ts";
import type { LegacyMember, SwarmMember } from "../../../../server/tracker/store/swarm-store.ts";
import { seededRandom } from "../../../support/swarms/fake-swarm.ts";

function member(id: string, pieces: Iterable<readonly [number, string]>): LegacyMember {
  return {
    leaseId: id,
    url: `http://${id}:1`,
    pieces: [...pieces].map(([number, hash]) => ({ number, hash })),
  };
}

/** Pieces 1 to `count`, each with a hash of 64 digits. */
function* whole(count: number, digit = "a"): Generator<readonly [number, string]> {
  for (let number = 1; number <= count; number++) yield [number, `${number}`.padStart(64, digit)];
}

/** What the table says of each member, as "number hash". */
function told({ pairs, declared }: ReturnType<typeof legacyTable>): string[][] {
  return declared.map((bits) => [...bits].map((at) => `${pairs[at]!.number} ${pairs[at]!.hash}`));
}

describe("the table of legacy peers", () => {
  it("tells what each declares, and what several declare once", () => {
    const members = [
      member("a", [
        [1, "x"],
        [2, "y"],
        [9, "z"],
      ]),
      member("b", [
        [2, "other"],
        [9, "z"],
      ]),
      member("c", []),
    ];
    const table = legacyTable(members, 100_000, () => 0.99);
    expect(told(table)).toEqual([["1 x", "2 y", "9 z"], ["2 other", "9 z"], []]);
    expect(table.pairs).toHaveLength(4);
  });

  it("tells all of too many in some answers, each a run that goes round", () => {
    const members = [member("a", whole(1_000)), member("b", whole(500))];
    const random = seededRandom(3);
    const seen = new Set<number>();
    for (let n = 0; n < 40; n++) {
      const table = legacyTable(members, 20_000, random);
      const numbers = table.pairs.map(({ number }) => number);
      expect(numbers.length).toBe(Math.ceil(20_000 / 72));
      for (let at = 1; at < numbers.length; at++) expect(numbers[at]).toBe((numbers[at - 1]! % 1_000) + 1);
      expect([...table.declared[1]!].every((at) => numbers[at]! <= 500)).toBe(true);
      for (const number of numbers) seen.add(number);
    }
    expect(seen.size).toBe(1_000);
  });

  it("makes an answer of less than 700 KB, whatever is declared and whatever swarm stands in front of it", () => {
    const legacyPeers = Array.from({ length: 16 }, (_, n) =>
      member(`seed-${n}`, whole(100_000, n.toString(16))),
    );
    const peers = Array.from({ length: 50 }, (_, n): SwarmMember => {
      const bitfield = Bitfield.of(100_000, [n]);
      return {
        leaseId: `${n}`,
        url: `http://127.0.0.1:${n}`,
        listed: true,
        draining: false,
        fileName: "f",
        revision: 1,
        zone: "",
        volunteer: false,
        replicationTarget: 0,
        pieceLength: 0,
        bitfield,
      };
    });
    for (const swarm of [peers, peers.slice(0, 10), []]) {
      const located = { swarm: undefined, peers: swarm, legacyPeers, turn: 0 };
      const answer = create(LocatePiecesResponseSchema, {
        peers: swarmPeers(swarm),
        ...legacyFields(located, seededRandom(1)),
      });
      expect(answer.seedPieces.length).toBeGreaterThan(900);
      expect(toBinary(LocatePiecesResponseSchema, answer).length).toBeLessThan(720_000);
    }
  });
});

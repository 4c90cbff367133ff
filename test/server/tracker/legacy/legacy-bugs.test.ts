import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Bitfield } from "#core/base/bitfield.ts";
import { holderInTurn } from "#core/base/round-robin.ts";
import { AnnounceEvent, type LocatePiecesResponse } from "#gen/pieza/v1/tracker_pb.ts";
import { infoHash, RouterTracker } from "../../../support/swarms/router-tracker.ts";

let tracker: RouterTracker;
beforeEach(() => {
  tracker = new RouterTracker();
});
afterEach(async () => {
  await tracker.close();
  expect(tracker.defects).toEqual([]);
});

const held = (digit: string, ...numbers: number[]) => ({
  infoHash: infoHash(digit),
  fileName: "file.bin",
  totalPieces: 4,
  revision: 1n,
  bitfield: Bitfield.of(
    4,
    numbers.map((number) => number - 1),
  ).toBytes(),
});
const start = (port: number, torrents: ReturnType<typeof held>[], lease: object = {}) =>
  tracker.client().announce({ event: AnnounceEvent.STARTED, port, torrents, ...lease });
const locate = (digit = "a") => tracker.client().locatePieces({ infoHash: infoHash(digit) });

/** The ports of those who have a piece, the one whose turn it is first. */
function holders({ peers, turn, totalPieces }: LocatePiecesResponse, number: number): number[] {
  const having = peers.filter(
    ({ complete, bitfield }) => complete || Bitfield.fromBytes(totalPieces, bitfield).has(number - 1),
  );
  const ports = having.map(({ url }) => Number(new URL(url).port));
  const first = ports.length > 0 ? holderInTurn(turn, number, ports.length) : 0;
  return [...ports.slice(first), ...ports.slice(0, first)];
}

describe("what the ancestor's tracker got wrong", () => {
  it("state keyed by piece number only: two files with the same piece numbers collide", async () => {
    await start(1001, [held("a", 1, 2)]);
    await start(1002, [held("b", 1, 2)]);
    for (const number of [1, 2]) {
      expect(holders(await locate("a"), number)).toEqual([1001]);
      expect(holders(await locate("b"), number)).toEqual([1002]);
    }
    await tracker.clock.tick(0);
  });

  it("double registration counts twice: 1,000 duplicate announces are one location, and shares stay at a quarter", async () => {
    const lease = await start(1001, [held("a", 1)]);
    for (const port of [1002, 1003, 1004]) await start(port, [held("a", 1)]);
    const again = { leaseId: lease.leaseId, leaseSecret: lease.leaseSecret };
    for (let n = 0; n < 20; n++) {
      const storm = Array.from({ length: 50 }, () => start(1001, [held("a", 1)], again));
      for (const { leaseId } of await Promise.all(storm)) expect(leaseId).toBe(lease.leaseId);
    }
    expect((await locate()).peers).toHaveLength(4);
    const first = new Map<number, number>();
    for (let n = 0; n < 1_000; n++) {
      const port = holders(await locate(), 1)[0]!;
      first.set(port, (first.get(port) ?? 0) + 1);
    }
    expect([...first.values()]).toEqual([250, 250, 250, 250]);
  });

  it("anyone deregisters anyone: a stranger with the address alone ends nothing", async () => {
    const { leaseId } = await start(1001, [held("a", 1)]);
    const stranger = tracker.client();
    const event = AnnounceEvent.STOPPED;
    await expect(stranger.announce({ event, port: 1001 })).rejects.toThrow();
    await expect(stranger.announce({ event, leaseId, leaseSecret: "f".repeat(32) })).rejects.toThrow();
    await expect(start(1001, [])).rejects.toThrow();
    expect(holders(await locate(), 1)).toEqual([1001]);
  });

  it("deregistering crashes after it has changed state: a bad STOPPED changes nothing, a second one is told so", async () => {
    const { leaseId, leaseSecret } = await start(1001, [held("a", 1)]);
    const goodbye = { event: AnnounceEvent.STOPPED, leaseId, leaseSecret };
    const bad = tracker.client().announce({ ...goodbye, left: [infoHash("a"), "unknown"] });
    await expect(bad).rejects.toThrow(/left\[1\]/);
    expect(holders(await locate(), 1)).toEqual([1001]);
    await tracker.client().announce({ ...goodbye, torrents: [held("b", 1)], left: [infoHash("c")] });
    await expect(tracker.client().announce(goodbye)).rejects.toThrow(/not_found/);
    expect(await tracker.store.counts()).toEqual({ leases: 0, swarms: 0 });
  });

  it("the round-robin index is never clamped: whoever leaves, a piece is found while one peer has it", async () => {
    const leases = [];
    for (const port of [1001, 1002, 1003, 1004]) leases.push(await start(port, [held("a", 1, 2)]));
    for (let n = 0; n < 3; n++) await locate();
    while (leases.length > 1) {
      const { leaseId, leaseSecret } = leases.pop()!;
      await tracker.client().announce({ event: AnnounceEvent.STOPPED, leaseId, leaseSecret });
      for (let n = 0; n < 5; n++) {
        expect(holders(await locate(), 1)).toHaveLength(leases.length);
        expect(holders(await locate(), 2)).toHaveLength(leases.length);
      }
    }
  });

  it("no lease, so a killed peer stays for ever: here it is gone within its lease and a sweep", async () => {
    await start(1001, [held("a", 1)]);
    const { leaseId, leaseSecret } = await start(1002, [held("a", 1)]);
    for (let n = 0; n < 4; n++) {
      await tracker.clock.tick(10_000);
      await tracker.client().announce({ leaseId, leaseSecret });
    }
    expect(holders(await locate(), 1)).toEqual([1002]);
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { planReplication } from "#core/replication/plan.ts";
import { piecesIn } from "#core/replication/words.ts";
import { PIECE_BYTES, ReplicaWorld, type WorldPeer } from "../../support/swarms/replica-world.ts";

const all = (size: number) => Array.from({ length: size }, (_, index) => index);

/** A swarm with any peers that have anything. */
const worlds = fc
  .record({
    size: fc.integer({ min: 1, max: 150 }),
    target: fc.integer({ min: 0, max: 6 }),
    peers: fc.integer({ min: 1, max: 14 }),
    zones: fc.integer({ min: 1, max: 4 }),
    maxOrderBytes: fc.constantFrom(PIECE_BYTES, 16 * PIECE_BYTES, 256 * PIECE_BYTES),
    maxOrdersPerPeer: fc.integer({ min: 1, max: 3 }),
  })
  .chain(({ size, target, peers, zones, ...caps }) =>
    fc
      .array(
        fc.record({
          held: fc.oneof(fc.constant([]), fc.constant(all(size)), fc.subarray(all(size))),
          capacity: fc.oneof(fc.constant(size), fc.integer({ min: size, max: 2 * size })),
          zone: fc.integer({ min: 1, max: zones }).map(String),
        }),
        { minLength: peers, maxLength: peers },
      )
      .map((list) => {
        const world = new ReplicaWorld(size, target, caps);
        for (const { held, ...how } of list) world.add(held, how);
        return world;
      }),
  );

describe("a plan", () => {
  it("brings every piece that somebody has to its target, and moves not a byte more than that takes", () => {
    fc.assert(
      fc.property(worlds, (world) => {
        const least = world.missing();
        world.settle(2_000);
        expect(world.missing()).toBe(0);
        expect(world.moved).toBe(least);
      }),
    );
  });

  it("never orders more than there is space for, whoever has how little", () => {
    const tight = fc.tuple(worlds, fc.array(fc.nat(40), { minLength: 14, maxLength: 14 }));
    fc.assert(
      fc.property(tight, ([world, spare]) => {
        for (const [at, peer] of world.peers.entries())
          Object.assign(peer, { capacity: peer.bitfield.count + spare[at]! });
        world.settle(2_000);
        for (const { bitfield, capacity } of world.peers)
          expect(bitfield.count).toBeLessThanOrEqual(capacity);
      }),
    );
  });

  it("gives nobody more orders at a time than the cap, as a volunteer, as a source and in all", () => {
    fc.assert(
      fc.property(worlds, fc.integer({ min: 1, max: 4 }), (world, maxOrders) => {
        const input = { ...world.input(), caps: { ...world.caps, maxOrders } };
        const { give } = planReplication(input);
        expect(give.length).toBeLessThanOrEqual(maxOrders);
        const served = give.flatMap(({ sources }) => sources);
        for (const url of served)
          expect(served.filter((other) => other === url).length).toBeLessThanOrEqual(
            world.caps.maxOrdersPerPeer,
          );
        expect(new Set(give.map(({ volunteer }) => volunteer.leaseId)).size).toBe(give.length);
        for (const { ranges, pieces } of give) {
          expect(piecesIn(ranges)).toBe(pieces);
          expect(pieces * PIECE_BYTES).toBeLessThanOrEqual(world.caps.maxOrderBytes);
        }
      }),
    );
  });

  it("names sources that have every piece of the order", () => {
    fc.assert(
      fc.property(worlds, (world) => {
        for (const { volunteer, ranges, sources } of world.plan().give) {
          const named = world.peers.filter(({ url }) => sources.includes(url));
          expect(sources).not.toContain(volunteer.url);
          for (const { first, last } of ranges)
            for (let index = first; index <= last; index++)
              expect(named.some(({ bitfield }) => bitfield.has(index))).toBe(true);
        }
      }),
    );
  });

  it("is the same wherever it is made, in whatever order the facts come", () => {
    fc.assert(
      fc.property(worlds, fc.infiniteStream(fc.nat()), (world, random) => {
        const input = world.input();
        const shuffled = <T>(list: readonly T[]) =>
          list
            .map((item) => ({ item, at: random.next().value as number }))
            .sort((a, b) => a.at - b.at)
            .map(({ item }) => item);
        const other = planReplication({
          ...input,
          holders: shuffled(input.holders),
          volunteers: shuffled(input.volunteers),
        });
        expect(other).toEqual(planReplication(input));
      }),
    );
  });

  it("spreads copies over zones: while a zone without one has room, no zone gets two", () => {
    const world = new ReplicaWorld(200, 3);
    world.add(all(200), { zone: "a" });
    for (const zone of ["a", "a", "a", "b", "b", "c", "d"]) world.add([], { zone });
    world.settle();
    for (const index of all(200)) {
      const zones = world.peers.filter(({ bitfield }) => bitfield.has(index)).map(({ zone }) => zone);
      expect(new Set(zones).size, `zones of piece ${index + 1}`).toBe(3);
    }
  });

  it("moves to a new volunteer only its own share", () => {
    const placedIn = (peers: number) => {
      const world = new ReplicaWorld(1_024, 2, { maxOrdersPerPeer: 100, maxOrderBytes: 1 << 30 });
      world.add(all(1_024));
      for (let n = 0; n < peers; n++) world.add([]);
      world.settle();
      return all(1_024).map((index) =>
        world.peers.findIndex(({ bitfield }, at) => at > 0 && bitfield.has(index)),
      );
    };
    const before = placedIn(9);
    const after = placedIn(10);
    const moved = after.filter((peer, index) => peer !== before[index]);
    expect(moved.length).toBeGreaterThan(0);
    expect(new Set(moved)).toEqual(new Set([10]));
    expect(moved.length).toBeLessThan(1_024 / 4);
  });

  it("begins with what has the fewest copies", () => {
    const world = new ReplicaWorld(64, 3, { maxOrderBytes: 8 * PIECE_BYTES });
    world.add(all(64));
    world.add(
      all(64).filter((index) => index < 24 || index >= 32),
      { capacity: 56 },
    );
    world.add([], { capacity: 8 });
    const { give } = world.plan();
    expect(give.map(({ ranges }) => ranges)).toEqual([[{ first: 24, last: 31 }]]);
  });

  it("lets a draining peer give its last copies, and counts none of them", () => {
    const world = new ReplicaWorld(64, 2);
    const leaving = world.add(all(64));
    for (let n = 0; n < 4; n++) world.add([]);
    leaving.draining = true;
    world.settle();
    expect(leaving.bitfield.count).toBe(64);
    expect(world.copies().every((count) => count === 2)).toBe(true);
  });

  it("asks no peer for copies that nobody can reach, and none that is leaving to take some", () => {
    const world = new ReplicaWorld(8, 2);
    world.add(all(8)).listed = false;
    world.add([]);
    expect(world.plan().give).toEqual([]);
    world.add(all(8)).draining = true;
    for (const { volunteer } of world.plan().give) expect(volunteer.leaseId).toBe("lease-1");
    expect(world.orders).toHaveLength(1);
  });
});

describe("coming and going", () => {
  const swarm = (peers: number, target: number) => {
    const world = new ReplicaWorld(96, target);
    world.add(all(96));
    for (let n = 1; n < peers; n++) world.add([]);
    world.settle();
    return world;
  };
  const picks = fc.array(fc.nat(1_000), { minLength: 1, maxLength: 3 });
  const killed = (world: ReplicaWorld, picks: readonly number[]): WorldPeer[] =>
    picks.map((pick) => {
      const peer = world.live[pick % world.live.length]!;
      world.kill(peer);
      return peer;
    });

  it("after any loss that leaves a holder, only the copies that are missing are made", () => {
    fc.assert(
      fc.property(fc.integer({ min: 10, max: 20 }), picks, (peers, picks) => {
        const world = swarm(peers, 4);
        for (let loss = 0; loss < 3; loss++) {
          killed(world, picks);
          const least = world.missing();
          const before = world.moved;
          world.settle();
          expect(world.missing()).toBe(0);
          expect(world.moved - before).toBe(least);
        }
      }),
    );
  });

  it("who returns while its copies are being replaced ends the orders that nobody needs any more", () => {
    fc.assert(
      fc.property(fc.integer({ min: 8, max: 20 }), picks, fc.nat(3), (peers, picks, done) => {
        const world = swarm(peers, 4);
        const lost = killed(world, picks);
        world.plan();
        for (const order of world.orders.slice(0, done)) world.carryOut(order);
        for (const peer of lost) peer.alive = true;
        const { give } = world.plan();
        expect(give).toEqual([]);
        expect(world.orders).toEqual([]);
        world.settle();
        expect(Math.min(...world.copies())).toBeGreaterThanOrEqual(4);
      }),
    );
  });

  it("surplus stays where it is: nothing moves while peers above the target come and go", () => {
    const world = swarm(10, 3);
    const guest = world.add(all(96));
    for (let n = 0; n < 20; n++) {
      guest.alive = n % 2 === 0;
      expect(world.plan()).toEqual({ give: [], cut: [] });
    }
  });
});

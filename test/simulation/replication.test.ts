import { afterEach, describe, expect, it } from "vitest";
import { MemorySwarmStore } from "../../server/tracker/store/memory/memory-swarm-store.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { seededRandom } from "../support/swarms/fake-swarm.ts";
import { infoHash } from "../support/swarms/router-tracker.ts";
import { VolunteerWorld } from "../support/swarms/volunteer-world.ts";

const SEEDS = 100;
const FAULTS_MS = 240_000;
/** After the faults: leases of those that are gone end, an empty tracker waits for everybody, and then it is repaired. */
const HEAL_MS = 480_000;
/** An order is looked at with each announce of its volunteer, every 4.8 s at most, and taken back a look later. */
const TRANSIENT_MS = 12_000;
const key = { infoHash: infoHash("1"), totalPieces: 64 };
const limits = { maxLeasesPerAddress: Number.POSITIVE_INFINITY };

const stores: MemorySwarmStore[] = [];
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
});

/** Peers die, come back, and fall silent; the tracker loses its memory. Everything from one seed. */
class Chaos {
  readonly world: VolunteerWorld;
  readonly target: number;
  /** Since when each piece has had more copies and orders than it needs. */
  readonly #tooManySince = new Map<number, number>();
  readonly #clock = new FakeClock();
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    this.target = 1 + this.#below(4);
    this.world = new VolunteerWorld(this.#clock, this.#store(), {
      target: this.target,
      random: this.#random,
      trackers: 1 + this.#below(3),
    });
    this.world.pace = 1 + this.#below(8);
    const peers = this.target + 2 + this.#below(12);
    for (let n = 0; n < peers; n++) this.world.add();
    this.world.give(this.world.peers[0]!, key);
  }

  async run(): Promise<void> {
    const { world } = this;
    const check = () => this.#check();
    for (const endMs = this.#clock.now() + FAULTS_MS; this.#clock.now() < endMs; ) {
      this.#fault();
      await world.pass(1_000 + this.#below(30_000), check);
    }
    for (const peer of world.peers) if (!peer.alive) world.revive(peer);
    await world.converge([key], HEAL_MS, check);
    await world.pass(60_000, check);
    const before = world.moved;
    await world.pass(60_000, check);
    expect(world.moved, "nothing is copied that is there").toBe(before);
    expect(world.orders).toBe(0);
    expect(Math.min(...world.copies(key))).toBeGreaterThanOrEqual(this.target);
  }

  #fault(): void {
    const { world } = this;
    const dead = world.peers.filter(({ alive }) => !alive);
    const chance = this.#random();
    if (chance < 0.35 && world.live.length > 1) world.kill(this.#one(world.live));
    else if (chance < 0.6 && dead.length > 0) world.revive(this.#one(dead));
    else if (chance < 0.8) this.#one(world.live).nextAtMs = this.#clock.now() + this.#below(60_000);
    else if (chance < 0.9) world.restart(this.#store());
  }

  /** Of copies that the tracker knows of, and orders for others, no piece has more than its target for long. */
  async #check(): Promise<void> {
    const { store } = this.world;
    const swarm = await store.swarm(key);
    const { orders } = await store.orders.book(key);
    for (let index = 0; index < key.totalPieces; index++) {
      const has = new Set(
        swarm?.members.filter(({ bitfield }) => bitfield.has(index)).map(({ leaseId }) => leaseId),
      );
      const ordered = orders.filter(
        ({ leaseId, ranges }) =>
          !has.has(leaseId) && ranges.some(({ first, last }) => first <= index && index <= last),
      );
      if (ordered.length === 0 || has.size + ordered.length <= this.target) {
        this.#tooManySince.delete(index);
        continue;
      }
      const sinceMs = this.#tooManySince.get(index) ?? this.#clock.now();
      this.#tooManySince.set(index, sinceMs);
      const forMs = this.#clock.now() - sinceMs;
      if (forMs > TRANSIENT_MS)
        throw new Error(`piece ${index}: ${has.size} copies and ${ordered.length} orders for ${forMs} ms`);
    }
  }

  #store(): MemorySwarmStore {
    const store = new MemorySwarmStore(this.#clock, limits);
    stores.push(store);
    return store;
  }

  #one<T>(list: readonly T[]): T {
    return list[this.#below(list.length)]!;
  }

  #below(end: number): number {
    return Math.floor(this.#random() * end);
  }
}

describe("volunteers that die, come back and fall silent, and a tracker that forgets", () => {
  it.each(Array.from({ length: SEEDS }, (_, n) => n + 1))(
    "copies and orders are more than the target only for a moment, and all is copied in the end, seed %d",
    (seed) => new Chaos(seed).run(),
  );
});

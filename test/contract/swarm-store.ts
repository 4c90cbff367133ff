import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Bitfield } from "#core/base/bitfield.ts";
import { defaultTrackerLimits, type TrackerLimits } from "../../server/tracker/store/limits.ts";
import type { Membership, PeerLease, SwarmStore } from "../../server/tracker/store/swarm-store.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { infoHash } from "../support/swarms/router-tracker.ts";

const { leaseMs } = defaultTrackerLimits;
/** A swarm may name a lease for so long after its end. */
const SWEEP_MS = 1_000;

export type MakeSwarmStore = (clock: FakeClock, limits?: Partial<TrackerLimits>) => SwarmStore;

/** What every SwarmStore promises. `make` gives an empty one. */
export function swarmStoreContract(name: string, make: MakeSwarmStore): void {
  describe(`SwarmStore: ${name}`, () => {
    let clock: FakeClock;
    let store: SwarmStore;
    const open: SwarmStore[] = [];
    const fresh = (limits?: Partial<TrackerLimits>) => {
      store = make(clock, limits);
      open.push(store);
      return store;
    };
    beforeEach(() => {
      clock = new FakeClock();
      fresh();
    });
    afterEach(async () => {
      for (const store of open.splice(0)) await store.close();
      expect(clock.pending, "timers left after close").toBe(0);
    });
    const urls = async (key = torrent()) => (await store.swarm(key))?.members.map(({ url }) => url);

    describe("leases", () => {
      it("an open lease is found by id and by address", async () => {
        await store.open(lease("a"));
        expect(await store.find("a")).toEqual(lease("a"));
        expect(await store.holderOf(lease("a").address)).toEqual(lease("a"));
        expect(await store.find("b")).toBeUndefined();
        expect(await store.holderOf("127.0.0.1:1")).toBeUndefined();
      });

      it("a live lease keeps its address from another holder", async () => {
        await store.open(lease("a"));
        const rival = { ...lease("b"), address: lease("a").address };
        await expect(store.open(rival)).rejects.toMatchObject({ code: "already_exists" });
        expect(await store.find("b")).toBeUndefined();
        await clock.tick(leaseMs);
        await store.open(rival);
        expect((await store.holderOf(rival.address))?.id).toBe("b");
      });

      it("an address that changed hands between two sweeps stays with the new holder", async () => {
        await clock.tick(SWEEP_MS / 2);
        await store.open(lease("a"));
        await store.join("a", torrent(), false);
        await clock.tick(leaseMs);
        await store.open({ ...lease("b"), address: lease("a").address });
        expect(await store.swarm(torrent())).toBeUndefined();
        await clock.tick(SWEEP_MS);
        expect((await store.holderOf(lease("a").address))?.id).toBe("b");
      });

      it("peers without an address do not hinder each other", async () => {
        await store.open({ ...lease("a"), address: "", url: "" });
        await store.open({ ...lease("b"), address: "", url: "" });
        expect((await store.counts()).leases).toBe(2);
      });

      it("ends after its time, to the millisecond", async () => {
        await store.open(lease("a"));
        await clock.tick(leaseMs - 1);
        expect(await store.find("a")).toBeDefined();
        await clock.tick(1);
        expect(await store.find("a")).toBeUndefined();
        expect(await store.renew("a")).toBeUndefined();
        expect(await store.holderOf(lease("a").address)).toBeUndefined();
      });

      it("lives on for as long as it is renewed", async () => {
        await store.open(lease("a"));
        await store.join("a", torrent(), false);
        for (let n = 0; n < 100; n++) {
          await clock.tick(leaseMs - 1);
          expect(await store.renew("a")).toBeDefined();
        }
        expect(await urls()).toEqual([lease("a").url]);
      });

      it("takes its memberships with it, at the latest a sweep after its end", async () => {
        await store.open(lease("a"));
        await store.join("a", torrent(), false);
        await clock.tick(leaseMs + SWEEP_MS);
        expect(await store.swarm(torrent())).toBeUndefined();
        expect(await store.counts()).toEqual({ leases: 0, swarms: 0 });
      });

      it("ends at once when told", async () => {
        await store.open(lease("a"));
        await store.join("a", torrent(), false);
        await store.end("a");
        await store.end("a");
        expect(await store.find("a")).toBeUndefined();
        expect(await store.swarm(torrent())).toBeUndefined();
        await store.open(lease("a"));
        expect(await store.joined("a")).toEqual([]);
      });

      it("a change in a lease shows in every swarm", async () => {
        await store.open(lease("a"));
        await store.join("a", torrent("1"), false);
        await store.join("a", torrent("2"), false);
        const found = { listed: false, notListedReason: "why", checkAtSeconds: 300, checkFailures: 2 };
        await store.renew("a", { draining: true, ...found });
        expect(await store.find("a")).toMatchObject({ draining: true, ...found });
        for (const digit of ["1", "2"]) {
          expect((await store.swarm(torrent(digit)))?.members[0]).toMatchObject({
            draining: true,
            listed: false,
          });
        }
      });
    });

    describe("memberships", () => {
      beforeEach(() => store.open(lease("a")));

      it("a lease that ended joins nothing", async () => {
        await expect(store.join("x", torrent(), false)).rejects.toMatchObject({ code: "not_found" });
        expect(await store.swarm(torrent())).toBeUndefined();
      });

      it("without a bitfield, only a revision that is known is enough", async () => {
        const { bitfield: _, ...bare } = torrent();
        expect(await store.join("a", bare, false)).toBe(false);
        expect(await store.swarm(torrent())).toBeUndefined();
        expect(await store.join("a", torrent(), false)).toBe(true);
        expect(await store.join("a", bare, false)).toBe(true);
        expect(await store.join("a", { ...bare, revision: 2 }, false)).toBe(false);
        expect((await store.swarm(torrent()))?.members[0]).toMatchObject({ revision: 1 });
      });

      it("a newer revision counts, an older one does not, unless it replaces", async () => {
        const held = async () => [...((await store.swarm(torrent()))?.members[0]?.bitfield ?? [])];
        await store.join("a", { ...torrent(), revision: 5, bitfield: Bitfield.of(8, [1]) }, false);
        expect(
          await store.join("a", { ...torrent(), revision: 4, bitfield: Bitfield.of(8, [2]) }, false),
        ).toBe(true);
        expect(await held()).toEqual([1]);
        await store.join("a", { ...torrent(), revision: 6, bitfield: Bitfield.of(8, [3]) }, false);
        expect(await held()).toEqual([3]);
        await store.join("a", { ...torrent(), revision: 1, bitfield: Bitfield.of(8, [4]) }, true);
        expect(await held()).toEqual([4]);
      });

      it("members stay in the order in which they joined, whatever they say later", async () => {
        for (const id of ["b", "c"]) await store.open(lease(id));
        for (const id of ["b", "a", "c"]) await store.join(id, torrent(), false);
        await store.join("b", { ...torrent(), revision: 2, bitfield: Bitfield.full(8) }, false);
        await store.renew("a", { draining: true });
        expect((await store.swarm(torrent()))?.members.map(({ leaseId }) => leaseId)).toEqual([
          "b",
          "a",
          "c",
        ]);
      });

      it("a swarm is the same object until something in it changes", async () => {
        await store.join("a", torrent("1"), false);
        const before = await store.swarm(torrent("1"));
        await store.join("a", torrent("2"), false);
        await store.join("a", torrent("1"), false);
        await store.renew("a");
        expect(await store.swarm(torrent("1"))).toBe(before);
        await store.join("a", { ...torrent("1"), revision: 2 }, false);
        expect(await store.swarm(torrent("1"))).not.toBe(before);
        expect(before?.members[0]?.revision).toBe(1);
      });

      it("torrents with one file name do not mix", async () => {
        await store.open(lease("b"));
        await store.join("a", { ...torrent("1"), bitfield: Bitfield.of(8, [0]) }, false);
        await store.join("b", { ...torrent("2"), bitfield: Bitfield.of(8, [0, 1]) }, false);
        expect((await store.swarm(torrent("1")))?.members.map(({ leaseId }) => leaseId)).toEqual(["a"]);
        expect((await store.swarm(torrent("2")))?.members.map(({ leaseId }) => leaseId)).toEqual(["b"]);
        expect((await store.swarmsNamed("file")).map((key) => key.infoHash[0]).sort()).toEqual(["1", "2"]);
      });

      it("one info hash with two numbers of pieces is two swarms, and a lease is in one of them", async () => {
        const other = { ...torrent(), totalPieces: 9, bitfield: Bitfield.full(9) };
        await store.open(lease("b"));
        await store.join("a", torrent(), false);
        await store.join("b", other, false);
        expect((await store.swarmsOf(torrent().infoHash)).map((key) => key.totalPieces).sort()).toEqual([
          8, 9,
        ]);
        await store.join("a", other, false);
        expect((await store.swarmsOf(torrent().infoHash)).map((key) => key.totalPieces)).toEqual([9]);
        expect((await store.counts()).swarms).toBe(1);
      });

      it("a swarm is found by every name that a member gives it, and by no other", async () => {
        await store.open(lease("b"));
        await store.join("a", torrent(), false);
        await store.join("b", { ...torrent(), fileName: "other" }, false);
        expect(await store.swarmsNamed("other")).toHaveLength(1);
        await store.join("b", { ...torrent(), revision: 2, fileName: "third" }, false);
        expect(await store.swarmsNamed("other")).toEqual([]);
        await store.leave("a", torrent().infoHash);
        expect(await store.swarmsNamed("file")).toEqual([]);
        expect(await store.swarmsNamed("third")).toHaveLength(1);
      });

      it("an empty swarm is gone at once", async () => {
        await store.join("a", torrent("1"), false);
        await store.join("a", torrent("2"), false);
        await store.leave("a", infoHash("1"));
        await store.leave("a", infoHash("1"));
        expect(await store.swarm(torrent("1"))).toBeUndefined();
        expect(await store.joined("a")).toEqual([infoHash("2")]);
        expect((await store.swarms(10)).map((key) => key.infoHash)).toEqual([infoHash("2")]);
        await store.end("a");
        expect(await store.swarms(10)).toEqual([]);
        expect(await store.swarmsOf(infoHash("2"))).toEqual([]);
        expect(await store.swarmsNamed("file")).toEqual([]);
      });
    });

    describe("caps", () => {
      const refused = (call: Promise<unknown>) =>
        expect(call).rejects.toMatchObject({ code: "resource_exhausted" });

      it("leases, from one source and in all", async () => {
        fresh({ maxLeasesPerAddress: 2, maxLeases: 3 });
        for (const id of ["a", "b"]) await store.open(lease(id));
        await refused(store.open(lease("c")));
        await store.open({ ...lease("c"), source: "elsewhere" });
        await refused(store.open({ ...lease("d"), source: "elsewhere" }));
        await store.end("a");
        await store.open(lease("d"));
        await clock.tick(leaseMs + SWEEP_MS);
        for (const id of ["e", "f"]) await store.open(lease(id));
      });

      it("torrents of one lease and in all", async () => {
        fresh({ maxTorrentsPerLease: 2, maxSwarms: 3 });
        for (const id of ["a", "b"]) await store.open(lease(id));
        for (const digit of ["1", "2"]) await store.join("a", torrent(digit), false);
        await refused(store.join("a", torrent("3"), false));
        await store.join("b", torrent("3"), false);
        await refused(store.join("b", torrent("4"), false));
        await store.join("b", torrent("1"), false);
        await store.leave("a", infoHash("2"));
        await store.join("a", torrent("4"), false);
      });

      it("bytes, and what is refused changes nothing", async () => {
        const large = (digit: string) => ({
          ...torrent(digit),
          totalPieces: 80_000,
          bitfield: Bitfield.of(80_000, [1]),
        });
        fresh({ maxStateBytes: 50_000 });
        await store.open(lease("a"));
        for (const digit of ["1", "2"]) await store.join("a", large(digit), false);
        await refused(store.join("a", large("3"), false));
        await refused(store.join("a", { ...large("3"), bitfield: Bitfield.full(80_000) }, false));
        expect(await store.joined("a")).toEqual([infoHash("1"), infoHash("2")]);
        expect(await store.join("a", { ...large("1"), revision: 2 }, false)).toBe(true);
        await store.end("a");
        await store.open(lease("a"));
        for (const digit of ["3", "4"]) await store.join("a", large(digit), false);
      });
    });
  });
}

/** A lease with an address of its own. */
export function lease(id: string): PeerLease {
  const address = `127.0.0.1:${50_000 + id.charCodeAt(0)}`;
  return {
    id,
    secretHash: "0".repeat(64),
    address,
    url: `http://${address}`,
    source: "127.0.0.1",
    identifyKey: new Uint8Array(0),
    listed: true,
    notListedReason: "",
    draining: false,
  };
}

export function torrent(digit = "1"): Membership {
  const bitfield = Bitfield.of(8, [0]);
  return { infoHash: infoHash(digit), totalPieces: 8, fileName: "file", revision: 1, bitfield };
}

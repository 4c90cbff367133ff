import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { defaultTrackerLimits, type TrackerLimits } from "../../server/tracker/store/limits.ts";
import type { DeclaredFile, SwarmStore } from "../../server/tracker/store/swarm-store.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { lease, type MakeSwarmStore } from "./swarm-store.ts";

const { leaseMs, legacyLeaseMs } = defaultTrackerLimits;
const SWEEP_MS = 1_000;

/** What every SwarmStore promises of legacy peers. `make` gives an empty one. */
export function legacyPeersContract(name: string, make: MakeSwarmStore): void {
  describe(`SwarmStore's legacy peers: ${name}`, () => {
    let clock: FakeClock;
    let store: SwarmStore;
    const opened: SwarmStore[] = [];
    const fresh = (limits?: Partial<TrackerLimits>) => {
      store = make(clock, limits);
      opened.push(store);
    };
    beforeEach(() => {
      clock = new FakeClock();
      fresh();
    });
    afterEach(async () => {
      for (const each of opened.splice(0)) await each.close();
    });
    const legacy = (id: string) => ({ ...lease(id), legacy: true });
    const declared = async (fileName: string) =>
      (await store.legacyFile(fileName))?.members.map(({ leaseId, pieces }) => [
        leaseId,
        pieces.map(({ number, hash }) => `${number} ${hash}`).join(),
      ]);

    it("what peers declare is found by file name, in the order in which they registered", async () => {
      for (const id of ["b", "a"]) {
        await store.open(legacy(id));
        await store.declare(id, [file("one", 1, 2), file("two", 3)]);
      }
      expect(await declared("one")).toEqual([
        ["b", "1 h1,2 h2"],
        ["a", "1 h1,2 h2"],
      ]);
      expect((await store.legacyFile("two"))?.members[0]?.url).toBe(lease("b").url);
      expect(await declared("three")).toBeUndefined();
      expect((await store.legacyPeers()).map(({ leaseId }) => leaseId)).toEqual(["b", "a"]);
    });

    it("takes no part in swarms, and no swarm in it", async () => {
      await store.open(legacy("a"));
      await store.declare("a", [file("one", 1)]);
      expect(await store.swarmsNamed("one")).toEqual([]);
      expect(await store.counts()).toEqual({ leases: 1, swarms: 0 });
    });

    it("a new declaration stands instead of the old one", async () => {
      await store.open(legacy("a"));
      await store.declare("a", [file("one", 1), file("two", 1)]);
      await store.declare("a", [file("two", 2)]);
      expect(await declared("one")).toBeUndefined();
      expect(await declared("two")).toEqual([["a", "2 h2"]]);
      await store.declare("a", []);
      expect(await declared("two")).toBeUndefined();
    });

    it("the lease lives its own time, and everything goes with it", async () => {
      await store.open(legacy("a"));
      await store.declare("a", [file("one", 1)]);
      await clock.tick(legacyLeaseMs - leaseMs);
      await store.renew("a");
      await clock.tick(legacyLeaseMs - 1);
      expect(await declared("one")).toHaveLength(1);
      await clock.tick(SWEEP_MS + 1);
      expect(await declared("one")).toBeUndefined();
      expect(await store.legacyPeers()).toEqual([]);
      await expect(store.declare("a", [file("one", 1)])).rejects.toMatchObject({ code: "not_found" });
    });

    it("one that is ended is named no more at once, and another of the file stays", async () => {
      for (const id of ["a", "b"]) {
        await store.open(legacy(id));
        await store.declare(id, [file("one", 1)]);
      }
      await store.end("a");
      expect(await declared("one")).toEqual([["b", "1 h1"]]);
    });

    it("is named by its files only while it is listed, and has its place from its listing on", async () => {
      for (const id of ["a", "b"]) {
        await store.open({ ...legacy(id), listed: false });
        await store.declare(id, [file("one", 1), file("two", 1)]);
      }
      expect(await declared("one")).toBeUndefined();
      const listedPeers = async () =>
        (await store.legacyPeers()).map(({ leaseId, listed }) => [leaseId, listed]);
      expect(await listedPeers()).toEqual([
        ["a", false],
        ["b", false],
      ]);
      await store.renew("b", { listed: true });
      expect(await declared("one")).toEqual([["b", "1 h1"]]);
      await store.renew("a", { listed: true });
      expect(await declared("two")).toEqual([
        ["b", "1 h1"],
        ["a", "1 h1"],
      ]);
      await store.declare("b", [file("one", 2)]);
      expect(await declared("one")).toEqual([
        ["b", "2 h2"],
        ["a", "1 h1"],
      ]);
      await store.renew("b", { listed: false });
      expect(await declared("one")).toEqual([["a", "1 h1"]]);
      await store.declare("b", [file("three", 1)]);
      expect(await declared("three")).toBeUndefined();
      expect(await listedPeers()).toEqual([
        ["a", true],
        ["b", false],
      ]);
    });

    it("over a cap nothing changes, and what ended makes room", async () => {
      fresh({ maxStateBytes: 6_000, maxTorrentsPerLease: 2 });
      await store.open(legacy("a"));
      await store.declare("a", [file("one", 1)]);
      const large = file("one", ...Array.from({ length: 100 }, (_, at) => at + 1));
      await refused(store.declare("a", [large]));
      await refused(store.declare("a", [file("x", 1), file("y", 1), file("z", 1)]));
      expect(await declared("one")).toEqual([["a", "1 h1"]]);
      for (let n = 0; n < 20; n++) {
        await store.end("a");
        await store.open(legacy("a"));
        await store.declare("a", [file("one", 1), file("two", 1)]);
      }
    });
  });
}

function file(fileName: string, ...numbers: number[]): DeclaredFile {
  return { fileName, pieces: numbers.map((number) => ({ number, hash: `h${number}` })) };
}

async function refused(call: Promise<unknown>): Promise<void> {
  await expect(call).rejects.toMatchObject({ code: "resource_exhausted" });
}

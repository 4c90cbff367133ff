import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Bitfield } from "#core/base/bitfield.ts";
import { defaultTrackerLimits } from "../../server/tracker/store/limits.ts";
import type { SwarmStore } from "../../server/tracker/store/swarm-store.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { infoHash } from "../support/swarms/router-tracker.ts";
import { lease, type MakeSwarmStore, torrent } from "./swarm-store.ts";

const { leaseMs } = defaultTrackerLimits;
const SWEEP_MS = 1_000;

/** What every SwarmStore promises for keeping copies. `make` gives an empty one. */
export function swarmCopiesContract(name: string, make: MakeSwarmStore): void {
  describe(`SwarmStore, for copies: ${name}`, () => {
    let clock: FakeClock;
    let store: SwarmStore;
    beforeEach(() => {
      clock = new FakeClock();
      store = make(clock);
    });
    afterEach(async () => {
      await store.close();
      expect(clock.pending, "timers left after close").toBe(0);
    });
    const urls = async () => (await store.swarm(torrent()))?.members.map(({ url }) => url);

    describe("zones and volunteers", () => {
      const volunteer = { capacityBytes: 9e12, freeBytes: 5e9, bytesPerSecond: 1e6, saidAtMs: 7 };

      it("show in every swarm, and in the list of those that lend space", async () => {
        await store.open({ ...lease("a"), zone: "rack 1", volunteer });
        await store.open(lease("b"));
        const { infoHash, ...rest } = torrent();
        await store.join("a", { infoHash, ...rest, replicationTarget: 3, pieceLength: 1 << 20 }, false);
        await store.join("b", torrent(), false);
        expect((await store.swarm(torrent()))?.members).toMatchObject([
          { zone: "rack 1", volunteer: true, replicationTarget: 3, pieceLength: 1 << 20 },
          { zone: "", volunteer: false, replicationTarget: 0, pieceLength: 0 },
        ]);
        expect(await store.volunteers()).toEqual([{ ...lease("a"), zone: "rack 1", volunteer }]);
      });

      it("free space changes without the swarm; a peer that stops to lend some is listed no more", async () => {
        await store.open({ ...lease("a"), volunteer });
        await store.join("a", torrent(), false);
        const before = await store.swarm(torrent());
        await store.renew("a", { volunteer: { ...volunteer, freeBytes: 1 } });
        expect(await store.swarm(torrent())).toBe(before);
        expect((await store.volunteers())[0]?.volunteer?.freeBytes).toBe(1);
        await store.renew("a", { volunteer: undefined });
        expect(await store.volunteers()).toEqual([]);
        expect((await store.swarm(torrent()))?.members[0]?.volunteer).toBe(false);
        await store.renew("a", { volunteer });
        await clock.tick(leaseMs);
        expect(await store.volunteers()).toEqual([]);
      });
    });

    describe("changes", () => {
      const digits = (keys: readonly { infoHash: string }[]) =>
        keys.map(({ infoHash }) => infoHash[0]).sort();

      it("names every swarm at first, then each that changed, once", async () => {
        await store.open(lease("a"));
        for (const digit of ["1", "2", "3"]) await store.join("a", torrent(digit), false);
        const first = await store.changes("");
        expect(first.all).toBe(true);
        expect(digits(first.keys)).toEqual(["1", "2", "3"]);
        expect((await store.changes(first.cursor)).keys).toEqual([]);
        await store.open(lease("b"));
        await store.join("b", torrent("2"), false);
        await store.join("a", { ...torrent("2"), revision: 2 }, false);
        await store.renew("a");
        const second = await store.changes(first.cursor);
        expect(second.all).toBe(false);
        expect(digits(second.keys)).toEqual(["2"]);
        await store.renew("b", { draining: true });
        expect(digits((await store.changes(second.cursor)).keys)).toEqual(["2"]);
        await store.leave("a", infoHash("2"));
        await store.renew("a", { listed: false });
        expect(digits((await store.changes(second.cursor)).keys)).toEqual(["1", "2", "3"]);
      });

      it("names the swarms of a peer whose lease has ended", async () => {
        for (const id of ["a", "b"]) await store.open(lease(id));
        for (const id of ["a", "b"]) await store.join(id, torrent(), false);
        await clock.tick(leaseMs / 2);
        await store.renew("b");
        const { cursor } = await store.changes("");
        await clock.tick(leaseMs / 2 + SWEEP_MS);
        expect(await urls()).toEqual([lease("b").url]);
        expect(digits((await store.changes(cursor)).keys)).toEqual(["1"]);
      });
    });

    describe("withdrawing", () => {
      const ranges = [{ first: 2, last: 4 }];
      const held = async (id: string) =>
        (await store.swarm(torrent()))?.members.find(({ leaseId }) => leaseId === id)?.bitfield.count;
      beforeEach(async () => {
        for (const id of ["a", "b", "c"]) {
          await store.open(lease(id));
          await store.join(id, { ...torrent(), bitfield: Bitfield.full(8) }, false);
        }
      });

      it("is granted while others have enough, and counts at once", async () => {
        expect(await store.withdraw("a", torrent(), ranges, 2)).toBe(true);
        expect(await held("a")).toBe(5);
        expect(await store.withdraw("b", torrent(), [{ first: 4, last: 5 }], 2)).toBe(false);
        expect(await held("b")).toBe(8);
        expect(await store.withdraw("b", torrent(), [{ first: 5, last: 5 }], 2)).toBe(true);
        expect(await store.withdraw("a", torrent(), ranges, 2)).toBe(true);
        expect(await store.withdraw("a", torrent(), ranges, 3)).toBe(false);
      });

      it("of two who ask at once for what one may drop, one is refused", async () => {
        const answers = await Promise.all(
          ["a", "b", "c"].map((id) => store.withdraw(id, torrent(), ranges, 2)),
        );
        expect(answers.filter(Boolean)).toHaveLength(1);
      });

      it("does not count who drains, who is not listed, who is gone", async () => {
        await store.renew("b", { draining: true });
        expect(await store.withdraw("a", torrent(), ranges, 2)).toBe(false);
        expect(await store.withdraw("a", torrent(), ranges, 1)).toBe(true);
        await store.renew("c", { listed: false });
        expect(await store.withdraw("a", torrent(), [{ first: 0, last: 0 }], 1)).toBe(false);
        await store.end("c");
        expect(await store.withdraw("b", torrent(), ranges, 1)).toBe(false);
        expect(await store.withdraw("x", torrent(), ranges, 1)).toBe(false);
      });

      it("what the peer says at a newer revision counts again", async () => {
        await store.withdraw("a", torrent(), ranges, 1);
        const { bitfield: _, ...bare } = torrent();
        expect(await store.join("a", bare, false)).toBe(true);
        expect(await held("a")).toBe(5);
        await store.join("a", { ...torrent(), revision: 2, bitfield: Bitfield.full(8) }, false);
        expect(await held("a")).toBe(8);
      });
    });
  });
}

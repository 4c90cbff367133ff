import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { defaultTrackerLimits } from "../../server/tracker/store/limits.ts";
import type { Order } from "../../server/tracker/store/order-store.ts";
import type { SwarmStore } from "../../server/tracker/store/swarm-store.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { lease, type MakeSwarmStore, torrent } from "./swarm-store.ts";

const { leaseMs } = defaultTrackerLimits;
const SWEEP_MS = 1_000;

/** What every OrderStore promises. `make` gives the empty store that it belongs to. */
export function orderStoreContract(name: string, make: MakeSwarmStore): void {
  describe(`OrderStore: ${name}`, () => {
    let clock: FakeClock;
    let store: SwarmStore;
    beforeEach(async () => {
      clock = new FakeClock();
      store = make(clock);
      for (const id of ["a", "b", "c"]) await store.open(lease(id));
    });
    afterEach(async () => {
      await store.close();
      expect(clock.pending, "timers left after close").toBe(0);
    });
    const book = (digit?: string) => store.orders.book(torrent(digit));
    const put = async (...orders: Order[]) =>
      store.orders.change(await book(orders[0]!.infoHash[0]), orders, []);
    const whose = async (digit?: string) => (await book(digit)).orders.map(({ leaseId }) => leaseId);

    it("an order is in its swarm's book, in the list of books and in its volunteer's orders", async () => {
      expect(await book()).toMatchObject({ totalPieces: 8, orders: [] });
      const [first, second] = [
        order("a", [
          [0, 2],
          [5, 5],
        ]),
        order("b", [[3, 4]]),
      ];
      expect(await put(first)).toBe(true);
      expect(await put(second)).toBe(true);
      expect((await book()).orders).toEqual([first, second]);
      expect((await store.orders.books()).map(({ infoHash }) => infoHash)).toEqual([first.infoHash]);
      expect(await store.orders.ofVolunteer("a")).toEqual([first]);
      expect(await store.orders.ofVolunteer("c")).toEqual([]);
    });

    it("a volunteer has orders in several swarms, and one in each", async () => {
      await put(order("a", [[0, 2]]));
      await put(order("a", [[1, 2]], "2"));
      await put(order("a", [[4, 4]]));
      const orders = await store.orders.ofVolunteer("a");
      expect(orders.map(({ ranges }) => ranges[0]!.first).sort()).toEqual([1, 4]);
    });

    it("of two who change one book only the first is heard, of all that they say", async () => {
      const seen = await book();
      const answers = await Promise.all([
        store.orders.change(seen, [order("a", [[0, 7]])], []),
        store.orders.change(seen, [order("b", [[0, 7]])], []),
      ]);
      expect(answers.filter(Boolean)).toHaveLength(1);
      expect((await book()).orders).toHaveLength(1);
      const stale = await book();
      await store.orders.change(stale, [order("c", [[0, 0]])], []);
      expect(await store.orders.change(stale, [], ["a", "b", "c"])).toBe(false);
      expect((await book()).orders).toHaveLength(2);
    });

    it("a book is the same object until it changes, and has another version then", async () => {
      await put(order("a", [[0, 1]]));
      const before = await book();
      expect(await book()).toBe(before);
      await put(order("b", [[0, 1]], "2"));
      expect(await book()).toBe(before);
      await store.orders.change(before, [order("b", [[2, 3]])], ["a"]);
      expect((await book()).version).not.toBe(before.version);
      expect(await whose()).toEqual(["b"]);
      expect(await store.orders.ofVolunteer("a")).toEqual([]);
    });

    it("a book without orders is none, and another one comes with another version", async () => {
      await put(order("a", [[0, 1]]));
      const first = await book();
      await store.orders.change(first, [], ["a"]);
      expect(await book()).toMatchObject({ version: "", orders: [] });
      expect(await store.orders.books()).toEqual([]);
      await put(order("a", [[0, 1]]));
      expect((await book()).version).not.toBe(first.version);
    });

    it("orders end with the lease of their volunteer, at once if it ends itself", async () => {
      await put(order("a", [[0, 1]]), order("b", [[2, 3]]));
      await put(order("a", [[0, 1]], "2"));
      await store.end("a");
      expect(await whose()).toEqual(["b"]);
      expect(await whose("2")).toEqual([]);
      expect(await store.orders.ofVolunteer("a")).toEqual([]);
      await clock.tick(leaseMs + SWEEP_MS);
      expect(await whose()).toEqual([]);
      expect(await store.orders.books()).toEqual([]);
    });

    it("an order for a lease that has ended is none, and hinders nobody", async () => {
      await store.end("a");
      expect(await put(order("a", [[0, 1]]), order("b", [[2, 3]]))).toBe(true);
      expect(await whose()).toEqual(["b"]);
      expect(await store.orders.ofVolunteer("a")).toEqual([]);
      expect(await put(order("c", [[0, 1]]))).toBe(true);
    });

    it("its time is the clock's", async () => {
      const before = await store.orders.now();
      await clock.tick(1_234);
      expect((await store.orders.now()) - before).toBe(1_234);
    });
  });
}

export function order(leaseId: string, pairs: readonly [number, number][], digit = "1"): Order {
  const { infoHash, totalPieces } = torrent(digit);
  return {
    infoHash,
    totalPieces,
    id: leaseId.charCodeAt(0).toString(16).padStart(32, "0"),
    leaseId,
    url: lease(leaseId).url,
    zone: "",
    ranges: pairs.map(([first, last]) => ({ first, last })),
    sources: ["http://127.0.0.1:50051"],
    pieceBytes: 1 << 20,
    left: 3,
    toldAtMs: 0,
    movedAtMs: 42,
  };
}

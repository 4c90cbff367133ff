import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AnnounceEvent } from "#gen/pieza/v1/tracker_pb.ts";
import { Listings } from "../../../../server/tracker/announce/listings.ts";
import type {
  CheckedPeer,
  Reachability,
  ReachabilityCheck,
} from "../../../../server/tracker/announce/reachability.ts";
import { infoHash, RouterTracker } from "../../../support/swarms/router-tracker.ts";

/** Reaches the peers that a test says, at once or after so many milliseconds. */
class FakeReach implements ReachabilityCheck {
  /** By URL: the first byte of the key that is known there. */
  readonly there = new Map<string, number>();
  afterMs = 0;
  readonly checked: string[] = [];

  async check({ url, identifyKey }: CheckedPeer, signal: AbortSignal): Promise<Reachability> {
    this.checked.push(url);
    await new Promise<void>((resolve, reject) => {
      if (this.afterMs === 0) return resolve();
      const cancel = tracker.clock.after(this.afterMs, resolve);
      signal.addEventListener("abort", () => {
        cancel();
        reject(signal.reason);
      });
    });
    const proven = this.there.get(url) === identifyKey[0];
    return { listed: proven, proven, reason: proven ? "" : "nobody there" };
  }
}

let reach: FakeReach;
let tracker: RouterTracker;
beforeEach(() => {
  reach = new FakeReach();
  tracker = new RouterTracker(undefined, { reachability: reach });
});
afterEach(async () => {
  await tracker.close();
  expect(tracker.defects).toEqual([]);
  expect(tracker.clock.pending, "timers left").toBe(0);
});

const url = (port: number) => `http://127.0.0.1:${port}`;
const torrent = { infoHash: infoHash("a"), fileName: "file", totalPieces: 4, revision: 1n, complete: true };
const start = (port: number, key: number, more: object = {}) =>
  tracker.client().announce({
    event: AnnounceEvent.STARTED,
    port,
    identifyKey: new Uint8Array(32).fill(key),
    torrents: [torrent],
    ...more,
  });
const beat = ({ leaseId, leaseSecret }: { leaseId: string; leaseSecret: string }) =>
  tracker.client().announce({ leaseId, leaseSecret });
const named = async () =>
  (await tracker.client().locatePieces({ infoHash: infoHash("a") })).peers.map((peer) => peer.url);
/** Time, and what it brings, while a call of the test waits. */
const during = async <T>(ms: number, call: Promise<T>): Promise<T> => {
  await tracker.clock.tick(ms);
  return call;
};

describe("a peer that starts", () => {
  it("is listed in its first answer when it is reached at once", async () => {
    reach.there.set(url(1), 7);
    expect(await start(1, 7)).toMatchObject({ listed: true, notListedReason: "", nextAnnounceMs: 10_000 });
    expect(await named()).toEqual([url(1)]);
  });

  it("hears in a second of a check that takes longer than 300 ms, and is named as soon as it ends", async () => {
    reach.there.set(url(1), 7);
    reach.afterMs = 400;
    const lease = await during(300, start(1, 7));
    expect(lease).toMatchObject({ listed: false, nextAnnounceMs: 1_000 });
    expect(lease.notListedReason).toContain("being checked");
    expect(await named()).toEqual([]);
    await tracker.clock.tick(100);
    expect(await named()).toEqual([url(1)]);
    await tracker.clock.tick(600);
    expect(await beat(lease)).toMatchObject({ listed: true, nextAnnounceMs: 10_000 });
    expect(reach.checked).toHaveLength(1);
  });

  it("that cannot be reached has a lease, is counted, and is named to nobody", async () => {
    expect(await start(1, 7)).toMatchObject({ listed: false, notListedReason: "nobody there" });
    expect(await named()).toEqual([]);
    expect((await tracker.client().scrape({})).swarms[0]).toMatchObject({ seeders: 1 });
  });

  it("without an address is not looked for", async () => {
    await start(0, 7);
    await tracker.client("10.0.0.5").announce({ event: AnnounceEvent.STARTED, port: 1 });
    expect(reach.checked).toEqual([]);
  });

  it("again, with another key, is checked again", async () => {
    reach.there.set(url(1), 7);
    const lease = await start(1, 7);
    const { leaseId, leaseSecret } = lease;
    expect(await start(1, 8, { leaseId, leaseSecret })).toMatchObject({ leaseId, listed: false });
    expect(await named()).toEqual([]);
    reach.there.set(url(1), 8);
    expect(await start(1, 8, { leaseId, leaseSecret })).toMatchObject({ leaseId, listed: true });
  });

  it("and stops while it is checked, leaves nothing", async () => {
    reach.there.set(url(1), 7);
    reach.afterMs = 1_000;
    const { leaseId, leaseSecret } = await during(300, start(1, 7));
    await tracker.client().announce({ event: AnnounceEvent.STOPPED, leaseId, leaseSecret });
    await tracker.clock.tick(1_000);
    expect(await tracker.store.counts()).toMatchObject({ leases: 0, swarms: 0 });
  });
});

describe("an address that another peer holds", () => {
  beforeEach(async () => {
    reach.there.set(url(1), 7);
    await start(1, 7);
  });

  it("stays with it while the new key is not found there", async () => {
    await expect(start(1, 8)).rejects.toThrow(/already_exists/);
    expect(await named()).toEqual([url(1)]);
  });

  it("goes to who is found there, however long that takes", async () => {
    reach.there.set(url(1), 8);
    reach.afterMs = 1_500;
    const second = await during(1_800, start(1, 8));
    await tracker.clock.tick(1_500);
    expect(await beat(second)).toMatchObject({ listed: true });
    expect(await named()).toEqual([url(1)]);
    expect((await tracker.store.counts()).leases).toBe(1);
  });
});

describe("later", () => {
  /** Announces every 10 s for so long; returns the times at which the peer was checked, in seconds. */
  async function checksOver(ms: number, lease: { leaseId: string; leaseSecret: string }): Promise<number[]> {
    const times: number[] = [];
    const begun = tracker.clock.now();
    while (tracker.clock.now() < begun + ms) {
      await tracker.clock.tick(10_000);
      const before = reach.checked.length;
      await beat(lease);
      if (reach.checked.length > before) times.push((tracker.clock.now() - begun) / 1_000);
    }
    return times;
  }

  it("a listed peer is checked every five minutes, and only while it announces", async () => {
    reach.there.set(url(1), 7);
    const lease = await start(1, 7);
    expect(await checksOver(900_000, lease)).toEqual([300, 600, 900]);
    await tracker.clock.tick(3_600_000);
    expect(reach.checked).toHaveLength(4);
  });

  it("one that is not there is looked for less and less often, and named once it is", async () => {
    const lease = await start(1, 7);
    expect(await checksOver(900_000, lease)).toEqual([10, 20, 40, 80, 160, 320, 620]);
    reach.there.set(url(1), 7);
    await checksOver(300_000, lease);
    expect(await named()).toEqual([url(1)]);
  });

  it("one that is missed once is named still, and no more after the second time, which comes soon", async () => {
    reach.there.set(url(1), 7);
    const lease = await start(1, 7);
    reach.there.clear();
    await checksOver(300_000, lease);
    expect(await named()).toEqual([url(1)]);
    expect(await checksOver(10_000, lease)).toEqual([10]);
    expect(await named()).toEqual([]);
    expect(await beat(lease)).toMatchObject({ listed: false, notListedReason: "nobody there" });
  });

  it("one that is to be checked later than any check says is checked: the store's clock was set back", async () => {
    reach.there.set(url(1), 7);
    const { leaseId, leaseSecret } = await start(1, 7);
    await tracker.store.renew(leaseId, { checkAtSeconds: 3_600 });
    await beat({ leaseId, leaseSecret });
    expect(reach.checked).toHaveLength(2);
    await beat({ leaseId, leaseSecret });
    expect(reach.checked).toHaveLength(2);
  });

  it.each([
    [0, 240],
    [0.999, 360],
  ])("at chance %d a listed peer is checked again after %d s, and not before", async (chance, seconds) => {
    reach.there.set(url(1), 7);
    const { leaseId } = await start(1, 7);
    const { clock, store } = tracker;
    const listings = new Listings({ store, reachability: reach, clock, random: () => chance });
    await listings.check((await store.find(leaseId))!);
    const times: number[] = [];
    for (let second = 10; second <= 400; second += 10) {
      await clock.tick(10_000);
      const before = reach.checked.length;
      await listings.recheck((await store.renew(leaseId))!);
      if (reach.checked.length > before) times.push(second);
    }
    expect(times).toEqual([seconds]);
    await listings.close();
  });

  it("another tracker over the same store does not look for who was found a moment ago", async () => {
    reach.there.set(url(1), 7);
    const { leaseId } = await start(1, 7);
    const { clock, store } = tracker;
    const replica = new Listings({ store, reachability: reach, clock, random: () => 0.5 });
    await clock.tick(10_000);
    await replica.recheck((await store.find(leaseId))!);
    expect(reach.checked).toHaveLength(1);
    for (let heartbeat = 0; heartbeat < 30; heartbeat++) {
      await clock.tick(10_000);
      await replica.recheck((await store.renew(leaseId))!);
    }
    expect(reach.checked).toHaveLength(2);
    await replica.close();
  });
});

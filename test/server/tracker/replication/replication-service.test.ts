import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Bitfield } from "#core/base/bitfield.ts";
import type { Announce, Announced, Tracker } from "#core/ports/tracker.ts";
import { type WatchedCopies, watchSwarm } from "#core/rpc/watch.ts";
import type { LogEvent } from "../../../../server/http/base/log.ts";
import { infoHash, RouterTracker } from "../../../support/swarms/router-tracker.ts";

const MIB = 1 << 20;
const SETTLED_MS = 24_000;
const swarm = { infoHash: infoHash("1"), totalPieces: 64 };
const volunteer = { capacityBytes: 1_000 * MIB, freeBytes: 1_000 * MIB, bytesPerSecond: 0 };
const { signal } = new AbortController();

let tracker: RouterTracker;
let log: LogEvent[];
beforeEach(() => {
  log = [];
  tracker = new RouterTracker(undefined, { replicationTarget: 2, log: (line) => void log.push(line) });
});
afterEach(async () => {
  await tracker.close();
  expect(tracker.clock.pending).toBe(0);
  expect(tracker.defects).toEqual([]);
});

/** A peer that announces when it is told to, with all that it has. */
class Peer {
  readonly #tracker: Tracker = tracker.remote();
  readonly #port: number;
  readonly #what: Partial<Announce>;
  #revision = 1;
  #last: Announced | undefined;
  bitfield: Bitfield | undefined;

  constructor(port: number, bitfield: Bitfield | undefined, what: Partial<Announce> = { volunteer }) {
    this.#port = port;
    this.bitfield = bitfield;
    this.#what = what;
  }

  async announce(what: Partial<Announce> = {}): Promise<Announced> {
    this.#revision++;
    this.#last = await this.#tracker.announce(
      {
        event: this.#last ? "progress" : "started",
        lease: this.#last?.lease,
        address: { port: this.#port, tls: false, identifyKey: new Uint8Array() },
        torrents: this.bitfield
          ? [
              {
                ...swarm,
                fileName: "file",
                revision: this.#revision,
                bitfield: this.bitfield,
                pieceLength: MIB,
              },
            ]
          : [],
        left: [],
        ...this.#what,
        ...what,
      },
      signal,
    );
    return this.#last;
  }
}

/** Everybody announces until the tracker may order. */
async function settle(...peers: Peer[]): Promise<void> {
  for (let ms = 0; ms <= SETTLED_MS; ms += 4_000) {
    for (const peer of peers) await peer.announce();
    await tracker.clock.tick(4_000);
  }
}

describe("a volunteer", () => {
  it("announces every 4 s, is ordered what lacks copies, and no more of what it has announced", async () => {
    const seeder = new Peer(1, Bitfield.full(64), {});
    const copier = new Peer(2, undefined);
    expect((await seeder.announce()).nextAnnounceMs).toBe(10_000);
    expect((await copier.announce()).nextAnnounceMs).toBe(4_000);
    await settle(seeder, copier);
    const { orders } = await copier.announce();
    expect(orders).toMatchObject([{ ...swarm, ranges: [{ first: 0, last: 63 }], expiresMs: 30_000 }]);
    expect(orders![0]!.sources).toEqual(["http://127.0.0.1:1"]);
    copier.bitfield = Bitfield.of(64, [0, 1, 2, 40]);
    const later = await copier.announce();
    expect(later.orders).toMatchObject([{ id: orders![0]!.id }]);
    expect(later.orders![0]!.ranges).toEqual([
      { first: 3, last: 39 },
      { first: 41, last: 63 },
    ]);
    copier.bitfield = Bitfield.full(64);
    expect((await copier.announce()).orders).toEqual([]);
    const { swarms } = await tracker.client().scrape({});
    expect(swarms[0]?.replication).toMatchObject({ target: 2, piecesUnderTarget: 0, piecesOrdered: 0 });
    expect(swarms[0]?.replication?.bytesCopied).toBe(BigInt(64 * MIB));
  });

  it("that declines is not asked again for this torrent, and another is", async () => {
    const seeder = new Peer(1, Bitfield.full(64), {});
    const first = new Peer(2, undefined);
    await settle(seeder, first);
    const { orders } = await first.announce();
    expect(orders).toHaveLength(1);
    const declined = [{ id: orders![0]!.id, reason: "unknown-torrent" as const }];
    expect((await first.announce({ declined })).orders).toEqual([]);
    const second = new Peer(3, undefined);
    await second.announce();
    await tracker.clock.tick(2_000);
    expect((await second.announce()).orders).toHaveLength(1);
    expect((await first.announce()).orders).toEqual([]);
  });

  it("is never ordered more than it has room for", async () => {
    const seeder = new Peer(1, Bitfield.full(64), {});
    const copier = new Peer(2, undefined, { volunteer: { ...volunteer, freeBytes: 5 * MIB + 1 } });
    await settle(seeder, copier);
    const { orders } = await copier.announce();
    expect(orders![0]!.ranges).toEqual([{ first: 0, last: 4 }]);
  });

  it("is ordered nothing by a tracker whose torrents want no copies", async () => {
    await tracker.close();
    tracker = new RouterTracker();
    const seeder = new Peer(1, Bitfield.full(64), {});
    const copier = new Peer(2, undefined);
    await settle(seeder, copier);
    expect((await copier.announce()).orders).toEqual([]);
    expect((await tracker.client().scrape({})).swarms[0]?.replication).toBeUndefined();
  });
});

describe("a drop", () => {
  const drops = [{ ...swarm, ranges: [{ first: 0, last: 3 }] }];

  it("is granted to one of three who have a copy too many, not to the next", async () => {
    const peers = [1, 2, 3].map((port) => new Peer(port, Bitfield.full(64)));
    for (const peer of peers) await peer.announce();
    expect((await peers[0]!.announce({ drops })).grants).toEqual(drops);
    expect((await peers[1]!.announce({ drops })).grants).toEqual([]);
    expect((await peers[2]!.announce({ drops })).grants).toEqual([]);
  });

  it("of the last copy is never granted, whatever the target", async () => {
    await tracker.close();
    tracker = new RouterTracker();
    const peers = [1, 2].map((port) => new Peer(port, Bitfield.full(64)));
    for (const peer of peers) await peer.announce();
    const answers = await Promise.all(peers.map((peer) => peer.announce({ drops })));
    expect(answers.filter(({ grants }) => grants!.length > 0)).toHaveLength(1);
  });
});

describe("a peer that drains", () => {
  it("is told of its last copies until others have them, soon each time", async () => {
    const seeder = new Peer(1, Bitfield.full(64), {});
    const copiers = [2, 3].map((port) => new Peer(port, undefined));
    await settle(...copiers);
    const leaving = await seeder.announce();
    expect(leaving.listed).toBe(true);
    const told = await seeder.announce({ event: "draining" });
    expect(told).toMatchObject({ lastCopies: 64, nextAnnounceMs: 1_000 });
    for (const copier of copiers) {
      const { orders } = await copier.announce();
      expect(orders![0]!.sources).toEqual(["http://127.0.0.1:1"]);
      copier.bitfield = Bitfield.full(64);
      await copier.announce();
    }
    expect((await seeder.announce({ event: "progress" })).lastCopies).toBe(0);
  });

  it("is not held up where nobody could take them", async () => {
    const seeder = new Peer(1, Bitfield.full(64), {});
    await settle(seeder);
    expect((await seeder.announce({ event: "draining" })).lastCopies).toBe(0);
  });
});

it("counts at /metrics what is missing and lost, orders and how they ended, bytes copied, and drops", async () => {
  const figures = async () => {
    const text = await tracker.metrics();
    const lines = [...text.matchAll(/^pieza_tracker_replication_(\S+) (\d+)$/gm)];
    return Object.fromEntries(lines.map(([, name, value]) => [name, Number(value)]));
  };
  const holder = new Peer(1, Bitfield.of(64, Array(60).keys()), {});
  const [first, second] = [new Peer(2, undefined), new Peer(3, undefined)];
  await settle(holder, first);
  const { orders } = await first.announce();
  expect(await figures()).toMatchObject({
    swarms_under_target: 1,
    pieces_under_target: 64,
    pieces_lost: 4,
    orders_under_way: 1,
    orders_total: 1,
  });
  await first.announce({ declined: [{ id: orders![0]!.id, reason: "no-space" }] });
  await second.announce();
  await tracker.clock.tick(2_000);
  await second.announce();
  second.bitfield = Bitfield.of(64, Array(60).keys());
  await second.announce();
  const third = new Peer(4, second.bitfield);
  await third.announce();
  const drops = [{ ...swarm, ranges: [{ first: 0, last: 3 }] }];
  await third.announce({ drops });
  await second.announce({ drops });
  expect(await figures()).toMatchObject({
    pieces_under_target: 4,
    pieces_lost: 4,
    orders_under_way: 0,
    orders_total: 2,
    'orders_ended_total{how="declined"}': 1,
    'orders_ended_total{how="done"}': 1,
    copied_bytes_total: 60 * MIB,
    'drops_total{answer="granted"}': 1,
    'drops_total{answer="refused"}': 1,
  });
});

it("who watches sees the target, what is missing, who copies what from whom, and what is lost, which the log names once", async () => {
  const seeder = new Peer(1, Bitfield.full(64), {});
  const copier = new Peer(2, Bitfield.of(64, [0, 1]), { volunteer, zone: "rack 1" });
  await settle(seeder, copier);
  await copier.announce();
  const seen: WatchedCopies[] = [];
  const zones: string[][] = [];
  const stop = new AbortController();
  const watching = watchSwarm(
    { transport: tracker.transport(), swarm },
    (peers, copies) => {
      zones.push(peers.filter(({ volunteer }) => volunteer).map(({ zone }) => zone));
      seen.push(copies);
    },
    stop.signal,
  ).catch((error: unknown) => error);
  await tracker.clock.tick(100);
  expect(seen.at(-1)).toMatchObject({ target: 2, underTarget: 62, lost: 0, ordered: 62 });
  expect(seen.at(-1)!.orders).toEqual([
    { url: "http://127.0.0.1:2", ranges: [{ first: 2, last: 63 }], sources: ["http://127.0.0.1:1"] },
  ]);
  expect(zones.at(-1)).toEqual(["rack 1"]);
  await seeder.announce({ event: "stopped" });
  for (let n = 0; n < 3; n++) {
    await tracker.clock.tick(4_000);
    await copier.announce();
  }
  expect(seen.at(-1)).toMatchObject({ target: 2, underTarget: 64, lost: 62, orders: [] });
  const lost = log.filter(({ event }) => event === "pieces_lost");
  expect(lost.map(({ pieces }) => pieces)).toEqual([["3-64"]]);
  stop.abort(new Error("over"));
  await tracker.clock.tick(1_000);
  await watching;
});

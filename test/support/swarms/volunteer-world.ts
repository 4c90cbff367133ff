import { Registry } from "prom-client";
import { Bitfield } from "#core/base/bitfield.ts";
import type { Clock } from "#core/base/clock.ts";
import type { ReplicationOrder, SwarmKey } from "#core/ports/tracker.ts";
import type { LogEvent } from "../../../server/http/base/log.ts";
import { ReplicationMetrics } from "../../../server/tracker/metrics/replication-metrics.ts";
import { Replicator } from "../../../server/tracker/replication/replicator.ts";
import { defaultTrackerLimits } from "../../../server/tracker/store/limits.ts";
import type { SwarmStore } from "../../../server/tracker/store/swarm-store.ts";
import type { FakeClock } from "../fake-clock.ts";

export const PIECE_BYTES = 1 << 20;
export const SETTLED_MS = 24_000;
const ANNOUNCE_MS = 4_000;
const STEP_MS = 250;

export interface VolunteerWorldOptions {
  readonly target: number;
  readonly random: () => number;
  /** Replicas of the tracker. Default 1. */
  readonly trackers?: number;
  /** Tells trackers how long planning takes. Default: it takes no time. */
  readonly workClock?: Clock | undefined;
}

export interface SimVolunteer {
  readonly name: string;
  readonly url: string;
  readonly zone: string;
  readonly capacity: number;
  readonly held: Map<string, { bitfield: Bitfield; revision: number; key: SwarmKey }>;
  readonly news: Set<string>;
  orders: readonly ReplicationOrder[];
  leaseId: string | undefined;
  alive: boolean;
  nextAtMs: number;
}

/** Peers that do what they are told, on a real store and real replicators, in a time that is moved by hand. */
export class VolunteerWorld {
  readonly clock: FakeClock;
  readonly peers: SimVolunteer[] = [];
  readonly log: LogEvent[] = [];
  readonly options: VolunteerWorldOptions;
  /** Pieces that a volunteer copies between two announces. */
  pace = 64;
  moved = 0;
  /** Time that each announce took of the real processor, in ms. */
  readonly costs: number[] = [];
  store: SwarmStore;
  /** By info hash. */
  readonly #holders = new Map<string, Set<SimVolunteer>>();
  #replicators: Replicator[] = [];
  #leases = 0;

  constructor(clock: FakeClock, store: SwarmStore, options: VolunteerWorldOptions) {
    this.clock = clock;
    this.store = store;
    this.options = options;
    this.restart(store);
  }

  /** Trackers that know nothing but what is in this store. */
  restart(store: SwarmStore): void {
    this.store = store;
    const { target, trackers = 1, workClock: clock = this.clock } = this.options;
    const targets = { replicationTarget: target, maxReplicationTarget: 10 };
    this.#replicators = Array.from({ length: trackers }, () => {
      const metrics = new ReplicationMetrics(new Registry());
      const log = (line: LogEvent) => void this.log.push(line);
      return new Replicator({ store, clock, limits: defaultTrackerLimits, targets, metrics, log });
    });
  }

  add({ zone = "", capacity = Number.POSITIVE_INFINITY } = {}): SimVolunteer {
    const at = this.peers.length;
    const url = `http://10.${at >> 16}.${(at >> 8) & 255}.${at & 255}:50051`;
    const nextAtMs = this.clock.now() + this.options.random() * ANNOUNCE_MS;
    const peer = { name: `${at}`, url, zone, capacity, held: new Map(), news: new Set<string>(), orders: [] };
    this.peers.push({ ...peer, leaseId: undefined, alive: true, nextAtMs });
    return this.peers.at(-1)!;
  }

  give(peer: SimVolunteer, key: SwarmKey, bitfield = Bitfield.full(key.totalPieces)): void {
    peer.held.set(key.infoHash, { bitfield, revision: 1, key });
    this.#note(peer, key);
    peer.news.add(key.infoHash);
  }

  get live(): SimVolunteer[] {
    return this.peers.filter(({ alive }) => alive);
  }

  get orders(): number {
    return this.live.reduce((sum, { orders }) => sum + orders.length, 0);
  }

  /** Moves on by `ms`; whoever is due copies a bit and announces. */
  async pass(ms: number, each?: () => void | Promise<void>): Promise<void> {
    const end = this.clock.now() + ms;
    while (this.clock.now() < end) {
      await this.clock.tick(STEP_MS);
      for (const peer of this.peers) {
        if (!peer.alive || peer.nextAtMs > this.clock.now()) continue;
        this.#copy(peer);
        await this.announce(peer);
      }
      await each?.();
    }
  }

  /** Until every piece that somebody has is at its target. Returns after how long. */
  async converge(
    keys: readonly SwarmKey[],
    mostMs: number,
    each?: () => void | Promise<void>,
  ): Promise<number> {
    const begin = this.clock.now();
    while (keys.some((key) => this.missing(key) > 0)) {
      if (this.clock.now() - begin > mostMs) throw new Error(`not at the target after ${mostMs} ms`);
      await this.pass(1_000, each);
    }
    return this.clock.now() - begin;
  }

  async announce(peer: SimVolunteer): Promise<void> {
    peer.nextAtMs = this.clock.now() + ANNOUNCE_MS * (0.8 + 0.4 * this.options.random());
    const { store } = this;
    const used = [...peer.held.values()].reduce((sum, { bitfield }) => sum + bitfield.count, 0);
    const promised = peer.orders.reduce((sum, order) => sum + piecesLeft(peer, order).length, 0);
    const room = Number.isFinite(peer.capacity) ? peer.capacity - used - promised : 1 << 20;
    const said = { capacityBytes: 1e15, freeBytes: Math.max(0, room) * PIECE_BYTES, bytesPerSecond: 0 };
    const volunteer = { ...said, saidAtMs: await store.orders.now() };
    let mine = peer.leaseId ? await store.renew(peer.leaseId, { volunteer }) : undefined;
    if (!mine) {
      const id = `lease-${this.#leases++}`;
      const { url, zone } = peer;
      const listing = { listed: true, notListedReason: "", draining: false };
      const keys = { secretHash: "0".repeat(64), identifyKey: new Uint8Array(0) };
      await store.open({ id, address: url, url, source: url, zone, volunteer, ...listing, ...keys });
      mine = (await store.find(id))!;
      peer.leaseId = id;
      for (const infoHash of peer.held.keys()) peer.news.add(infoHash);
    }
    for (const infoHash of peer.news) {
      const { bitfield, revision, key } = peer.held.get(infoHash)!;
      await store.join(
        mine.id,
        { ...key, fileName: "file", revision, bitfield, pieceLength: PIECE_BYTES },
        true,
      );
    }
    peer.news.clear();
    const replicator = this.#replicators[Math.floor(this.options.random() * this.#replicators.length)]!;
    const before = process.threadCpuUsage();
    const told = await replicator.announced({ event: "heartbeat", torrents: [], left: [], volunteer }, mine);
    const { user, system } = process.threadCpuUsage(before);
    this.costs.push((user + system) / 1_000);
    peer.orders = told.orders ?? [];
  }

  /** As kill -9. */
  kill(peer: SimVolunteer): void {
    peer.alive = false;
    peer.orders = [];
  }

  /** It comes back with what it had on its disk. */
  revive(peer: SimVolunteer): void {
    peer.alive = true;
    peer.nextAtMs = this.clock.now();
  }

  /** Copies of each piece among peers that live. */
  copies({ infoHash, totalPieces }: SwarmKey): Uint32Array {
    const copies = new Uint32Array(totalPieces);
    for (const { held, alive } of this.#holders.get(infoHash) ?? []) {
      const mine = alive && held.get(infoHash)?.bitfield;
      if (mine) for (const index of mine) copies[index]!++;
    }
    return copies;
  }

  /** Copies to be made before every piece that somebody has is at the target. */
  missing(key: SwarmKey): number {
    const { target } = this.options;
    return this.copies(key).reduce((sum, count) => sum + (count === 0 ? 0 : Math.max(0, target - count)), 0);
  }

  #note(peer: SimVolunteer, { infoHash }: SwarmKey): void {
    this.#holders.set(infoHash, (this.#holders.get(infoHash) ?? new Set()).add(peer));
  }

  #copy(peer: SimVolunteer): void {
    let left = this.pace;
    for (const order of peer.orders) {
      const holders = [...(this.#holders.get(order.infoHash) ?? [])];
      const sources = holders.filter(({ alive, url }) => alive && order.sources.includes(url));
      this.#note(peer, order);
      for (const index of piecesLeft(peer, order)) {
        if (left === 0) return;
        if (!sources.some(({ held }) => held.get(order.infoHash)?.bitfield.has(index))) continue;
        left--;
        this.moved++;
        put(peer, order, index);
      }
    }
  }
}

function piecesLeft(peer: SimVolunteer, { infoHash, ranges }: ReplicationOrder): number[] {
  const mine = peer.held.get(infoHash)?.bitfield;
  const left: number[] = [];
  for (const { first, last } of ranges)
    for (let index = first; index <= last; index++) if (!mine?.has(index)) left.push(index);
  return left;
}

/** What the store was given is never changed. */
function put(peer: SimVolunteer, { infoHash, totalPieces }: ReplicationOrder, index: number): void {
  const before = peer.held.get(infoHash);
  const fresh = peer.news.has(infoHash);
  const bitfield = fresh ? before!.bitfield : (before?.bitfield.clone() ?? new Bitfield(totalPieces));
  bitfield.set(index);
  const revision = (before?.revision ?? 0) + (fresh ? 0 : 1);
  peer.held.set(infoHash, { bitfield, revision, key: { infoHash, totalPieces } });
  peer.news.add(infoHash);
}

import type { Clock } from "#core/base/clock.ts";
import type { Announce, Announced, PieceRanges, SwarmKey } from "#core/ports/tracker.ts";
import { lastCopies, lostPieces } from "#core/replication/copies.ts";
import { defaultPlanCaps, type PlanCaps } from "#core/replication/input.ts";
import { type NewOrder, planReplication } from "#core/replication/plan.ts";
import { piecesIn, rangesOf } from "#core/replication/words.ts";
import type { Log } from "../../http/base/log.ts";
import type { EndReason, ReplicationMetrics } from "../metrics/replication-metrics.ts";
import { randomId } from "../store/lease-secret.ts";
import type { TrackerLimits } from "../store/limits.ts";
import type { Order, OrderBook } from "../store/order-store.ts";
import type { PeerLease, SwarmSnapshot, SwarmStore } from "../store/swarm-store.ts";
import { OrderDesk } from "./order-desk.ts";
import { pieceBytesOf, stateOf, type TargetOptions } from "./swarm-needs.ts";
import { SwarmQueue } from "./swarm-queue.ts";
import { VolunteerPool } from "./volunteer-pool.ts";

/** Swarms that one pass plans at most. */
const MAX_VISITS = 32;
/** A pass begins no further swarm after this much work, because no other call is answered meanwhile. */
const MAX_WORK_MS = 5;
/** Announces of peers that lend no space start a pass at most this often. */
const PASS_MS = 250;
/** Ranges of lost pieces that a log line names. */
const MAX_NAMED = 20;

export interface ReplicatorParts {
  readonly store: SwarmStore;
  /** Measures how long planning takes. */
  readonly clock: Clock;
  readonly limits: TrackerLimits;
  readonly targets: TargetOptions;
  readonly caps?: Partial<PlanCaps> | undefined;
  readonly metrics: ReplicationMetrics;
  readonly log?: Log | undefined;
}

/** The part of an answer to an announce that is about copies. */
type Told = Required<Pick<Announced, "orders" | "grants" | "lastCopies">>;

/**
 * Keeps torrents at their replication targets: plans the swarms that changed, orders volunteers to copy pieces with
 * too few copies, and decides which peer may drop pieces. It has no timer: each announce runs one bounded pass.
 *
 * A tracker that starts, or that no peer reached for a while, knows too few peers. It orders nothing until each peer
 * could announce twice.
 */
export class Replicator {
  readonly #parts: ReplicatorParts;
  readonly #caps: PlanCaps;
  readonly #queue = new SwarmQueue();
  readonly #pool: VolunteerPool;
  readonly #desk: OrderDesk;
  #cursor = "";
  #passedAtMs = -Infinity;
  #settledAtMs = Number.POSITIVE_INFINITY;
  /** Work of the current pass in ms, without waits for the store. */
  #workedMs = 0;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(parts: ReplicatorParts) {
    this.#parts = parts;
    this.#caps = { ...defaultPlanCaps, ...parts.caps };
    this.#pool = new VolunteerPool(parts.store);
    this.#desk = new OrderDesk({ ...parts, pool: this.#pool, onChange: (key) => this.#queue.changed(key) });
    parts.metrics.watch(() => ({ ...this.#queue.totals, underWay: this.#pool.underWay }));
  }

  /** Handles an announce whose torrents are in the store already. */
  async announced(announce: Announce, lease: PeerLease): Promise<Told> {
    const grants = await this.#grants(lease, announce.drops ?? []);
    if (!lease.volunteer && !lease.draining) {
      if ((await this.#parts.store.orders.now()) >= this.#passedAtMs + PASS_MS) await this.#pass();
      return { orders: [], grants, lastCopies: 0 };
    }
    await this.#desk.review(lease, announce.declined ?? []);
    await this.#pass();
    const orders = lease.volunteer ? await this.#desk.tell(lease) : [];
    return { orders, grants, lastCopies: lease.draining ? await this.#lastCopies(lease) : 0 };
  }

  /** A peer has left: its swarms may need copies. */
  stopped(): Promise<void> {
    return this.#pass();
  }

  /** The copies of a swarm, for Scrape and WatchSwarm. */
  async report(key: SwarmKey) {
    const { store, targets } = this.#parts;
    const book = await store.orders.book(key);
    const swarm = await store.swarm(key);
    const state = swarm && stateOf(swarm, targets);
    return { swarm, book, state, bytesCopied: this.#desk.bytesCopied(key) };
  }

  /** Runs a pass. Calls during a pass share the next one. */
  #pass(): Promise<void> {
    this.#next ??= (this.#running ?? Promise.resolve())
      .catch(() => {})
      .then(() => {
        this.#running = this.#next;
        this.#next = undefined;
        return this.#passOnce();
      });
    return this.#next;
  }

  async #passOnce(): Promise<void> {
    const { store } = this.#parts;
    const now = await store.orders.now();
    const { cursor, keys, all } = await store.changes(this.#cursor);
    this.#settle(now, all && this.#cursor !== "");
    this.#cursor = cursor;
    for (const key of keys) this.#queue.changed(key);
    await this.#pool.refresh(now);
    this.#workedMs = 0;
    for (const key of this.#queue.take(now, MAX_VISITS)) {
      if (this.#workedMs < MAX_WORK_MS) await this.#visit(key, now);
      // Puts it back behind those that changed before.
      else this.#queue.changed(key);
    }
  }

  /** Decides until when to wait for announces. `forgot`: the store has lost its state. */
  #settle(now: number, forgot: boolean): void {
    const { leaseMs, heartbeatMs, heartbeatJitter } = this.#parts.limits;
    if (forgot || now > this.#passedAtMs + leaseMs / 2)
      this.#settledAtMs = now + 2 * heartbeatMs * (1 + heartbeatJitter);
    this.#passedAtMs = now;
  }

  async #visit(key: SwarmKey, now: number): Promise<void> {
    const { store, targets } = this.#parts;
    // Read the book before the swarm: a finished order leaves its book after its pieces are in the swarm.
    const book = await store.orders.book(key);
    const swarm = await store.swarm(key);
    const state = swarm && this.#timed(() => stateOf(swarm, targets));
    const loses = this.#queue.seen(key, state, now);
    if (!swarm || !state || now < this.#settledAtMs) return;
    if (loses) this.#nameLost(swarm);
    const room = this.#pool.underWay < this.#caps.maxOrders && this.#pool.idle(this.#caps.maxOrdersPerPeer);
    if ((state.under > 0 && room) || book.orders.length > 0) await this.#plan(swarm, book, now);
  }

  async #plan(swarm: SwarmSnapshot, book: OrderBook, now: number): Promise<void> {
    const { infoHash, totalPieces, members } = swarm;
    const plan = this.#timed(() =>
      planReplication({
        infoHash,
        totalPieces,
        target: stateOf(swarm, this.#parts.targets).target,
        pieceBytes: pieceBytesOf(swarm),
        holders: members,
        volunteers: this.#desk.askable(swarm, this.#pool.volunteers, now),
        orders: book.orders,
        served: this.#pool.served,
        underWay: this.#pool.underWay,
        caps: this.#caps,
      }),
    );
    const given = plan.give.map((order) => orderOf(swarm, order, now));
    const cut = plan.cut.map(({ leaseId, ranges }) => {
      const order = book.orders.find((order) => order.leaseId === leaseId)!;
      return { ...order, ranges, left: piecesIn(ranges) };
    });
    const off = cut.filter(({ left }) => left === 0);
    await this.#desk.change(book, {
      given,
      kept: cut.filter(({ left }) => left > 0),
      ended: off.map((order) => ({ order, reason: "called_off" satisfies EndReason })),
    });
  }

  #timed<T>(work: () => T): T {
    const { clock } = this.#parts;
    const beganMs = clock.now();
    const done = work();
    this.#workedMs += clock.now() - beganMs;
    return done;
  }

  /** Grants each drop entirely or not at all. The last copy stays even without a target. */
  async #grants(lease: PeerLease, drops: readonly PieceRanges[]): Promise<PieceRanges[]> {
    const { store, targets, metrics } = this.#parts;
    const grants: PieceRanges[] = [];
    for (const drop of drops) {
      const swarm = await store.swarm(drop);
      const least = Math.max(1, swarm ? stateOf(swarm, targets).target : 0);
      const granted = await store.withdraw(lease.id, drop, drop.ranges, least);
      metrics.drop(granted);
      if (granted) grants.push(drop);
    }
    return grants;
  }

  /** Pieces that would be lost with this peer although a volunteer could copy them. */
  async #lastCopies(lease: PeerLease): Promise<number> {
    const { store, targets } = this.#parts;
    let count = 0;
    for (const infoHash of await store.joined(lease.id)) {
      for (const key of await store.swarmsOf(infoHash)) {
        const swarm = await store.swarm(key);
        const member = swarm?.members.find(({ leaseId }) => leaseId === lease.id);
        if (!swarm || !member?.listed || stateOf(swarm, targets).target === 0) continue;
        const { orders } = await store.orders.book(key);
        const room = this.#pool.volunteers.some(({ freeBytes }) => freeBytes >= pieceBytesOf(swarm));
        if (room || orders.length > 0) count += lastCopies(member.bitfield, swarm.members);
      }
    }
    return count;
  }

  #nameLost({ infoHash, totalPieces, members }: SwarmSnapshot): void {
    const lost = lostPieces(totalPieces, members);
    const ranges = rangesOf(lost, MAX_NAMED);
    const pieces = ranges.map(({ first, last }) =>
      first === last ? `${first + 1}` : `${first + 1}-${last + 1}`,
    );
    this.#parts.log?.({
      level: "error",
      event: "pieces_lost",
      message: `no peer has these pieces of ${members[0]!.fileName} any more: ${pieces.join(", ")}`,
      info_hash: infoHash,
      total_pieces: totalPieces,
      pieces,
    });
  }
}

function orderOf({ infoHash, totalPieces, ...swarm }: SwarmSnapshot, order: NewOrder, now: number): Order {
  const { volunteer, ranges, sources, pieces } = order;
  const { leaseId, url, zone } = volunteer;
  const pieceBytes = pieceBytesOf({ infoHash, totalPieces, ...swarm });
  const told = { left: pieces, toldAtMs: 0, movedAtMs: now };
  return { infoHash, totalPieces, id: randomId(), leaseId, url, zone, ranges, sources, pieceBytes, ...told };
}

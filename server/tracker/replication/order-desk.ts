import type { DeclinedOrder, DeclineReason, ReplicationOrder, SwarmKey } from "#core/ports/tracker.ts";
import type { PlanVolunteer } from "#core/replication/input.ts";
import { countWords, type PieceWords, rangesOf, wordsOf, wordsOfRanges } from "#core/replication/words.ts";
import type { EndReason, ReplicationMetrics } from "../metrics/replication-metrics.ts";
import type { TrackerLimits } from "../store/limits.ts";
import type { Order, OrderBook } from "../store/order-store.ts";
import { swarmText } from "../store/swarm-key.ts";
import type { PeerLease, SwarmSnapshot, SwarmStore } from "../store/swarm-store.ts";
import type { VolunteerPool } from "./volunteer-pool.ts";

/** An order ends if it makes no progress for this time plus the time of one piece at MIN_PACE_BYTES_PER_MS. */
const STALLED_MS = 120_000;
const MIN_PACE_BYTES_PER_MS = 64;
/** How long a volunteer gets no order for a torrent after an order for it was declined or stalled. */
const REST_MS: Readonly<Record<DeclineReason | "stalled", number>> = {
  "unknown-torrent": 300_000,
  "no-space": 30_000,
  "not-wanted": 600_000,
  stalled: 300_000,
};
/** Entries kept. A volunteer that is forgotten may get an order again. */
const MAX_RESTING = 100_000;
const MAX_COPIED = 100_000;
/** Tries to change a book that other trackers change at the same time. */
const MAX_TRIES = 5;

export interface BookChange {
  readonly given?: readonly Order[];
  /** Orders that go on with changed fields. */
  readonly kept?: readonly Order[];
  readonly ended?: readonly { readonly order: Order; readonly reason: EndReason }[];
}

export interface OrderDeskParts {
  readonly store: SwarmStore;
  readonly limits: TrackerLimits;
  readonly metrics: ReplicationMetrics;
  readonly pool: VolunteerPool;
  /** Called for a swarm that has to be planned again, because its orders have changed. */
  readonly onChange: (key: SwarmKey) => void;
}

/** Hands orders to volunteers, follows their progress, and ends them when they are done, declined or stalled. */
export class OrderDesk {
  readonly #parts: OrderDeskParts;
  /** Until when a volunteer gets no order of a swarm, by swarm and URL. */
  readonly #resting = new Map<string, number>();
  /** Bytes copied by orders, by swarm. */
  readonly #copied = new Map<string, number>();

  constructor(parts: OrderDeskParts) {
    this.#parts = parts;
  }

  /** Notes the progress of a volunteer's orders since its last announce, and ends those that are over. */
  async review(lease: PeerLease, declined: readonly DeclinedOrder[]): Promise<void> {
    const { orders } = this.#parts.store;
    const reasons = new Map(declined.map(({ id, reason }) => [id, reason]));
    const now = await orders.now();
    for (const order of await orders.ofVolunteer(lease.id)) {
      const swarm = await this.#parts.store.swarm(order);
      const left = countWords(missingOf(order, swarm));
      const reason = reasons.get(order.id);
      const moved = left < order.left;
      if (moved) this.#noteCopied(order, (order.left - left) * order.pieceBytes);
      const seen = { ...order, left, movedAtMs: moved ? now : order.movedAtMs };
      const end = endOf(seen, lease, swarm, reason, now);
      if (reason || end === "expired") this.#rest(order, now + REST_MS[reason ?? "stalled"]);
      if (end) await this.#amend(order, (order) => ({ ended: [{ order, reason: end }] }));
      else if (moved) await this.#amend(order, (order) => ({ kept: [{ ...order, left, movedAtMs: now }] }));
    }
    const mine = lease.volunteer ? await orders.ofVolunteer(lease.id) : [];
    this.#parts.pool.announced(lease, mine);
  }

  /** The pieces that a volunteer has to copy and has not announced. Marks their orders as told. */
  async tell(lease: PeerLease): Promise<ReplicationOrder[]> {
    const { store, limits } = this.#parts;
    const now = await store.orders.now();
    const told: ReplicationOrder[] = [];
    for (const order of await store.orders.ofVolunteer(lease.id)) {
      const swarm = await store.swarm(order);
      const ranges = rangesOf(missingOf(order, swarm));
      if (ranges.length === 0) continue;
      const { infoHash, totalPieces, id } = order;
      const sources = sourcesOf(order, swarm);
      told.push({ infoHash, totalPieces, id, ranges, sources, expiresMs: limits.leaseMs });
      if (order.toldAtMs === 0)
        await this.#amend(order, (order) => ({ kept: [{ ...order, toldAtMs: now, movedAtMs: now }] }));
    }
    return told;
  }

  /** Changes a book. Returns false, and changes nothing, if another tracker changed it first. */
  async change(book: OrderBook, { given = [], kept = [], ended = [] }: BookChange): Promise<boolean> {
    if (given.length + kept.length + ended.length === 0) return true;
    const leaving = ended.map(({ order }) => order.leaseId);
    const { store, pool, metrics, onChange } = this.#parts;
    if (!(await store.orders.change(book, [...given, ...kept], leaving))) {
      onChange(book);
      return false;
    }
    for (const order of given) {
      pool.given(order);
      metrics.given();
    }
    for (const { order, reason } of ended) {
      pool.ended(order);
      metrics.ended(reason);
    }
    if (ended.length > 0) onChange(book);
    return true;
  }

  /** The volunteers that have not recently declined or stalled an order of this swarm. */
  askable(key: SwarmKey, volunteers: readonly PlanVolunteer[], now: number): readonly PlanVolunteer[] {
    if (this.#resting.size === 0) return volunteers;
    const id = swarmText(key);
    return volunteers.filter(({ url }) => !((this.#resting.get(`${id} ${url}`) ?? 0) > now));
  }

  /** Bytes that orders copied in this swarm since the start. */
  bytesCopied(key: SwarmKey): number {
    return this.#copied.get(swarmText(key)) ?? 0;
  }

  async #amend(order: Order, change: (order: Order) => BookChange): Promise<void> {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const book = await this.#parts.store.orders.book(order);
      const now = book.orders.find(({ id }) => id === order.id);
      if (!now || (await this.change(book, change(now)))) return;
    }
  }

  #rest(order: Order, untilMs: number): void {
    remember(this.#resting, `${swarmText(order)} ${order.url}`, untilMs, MAX_RESTING);
  }

  #noteCopied(order: Order, bytes: number): void {
    this.#parts.metrics.copied(bytes);
    remember(this.#copied, swarmText(order), this.bytesCopied(order) + bytes, MAX_COPIED);
  }
}

/** Why an order is over; undefined if it goes on. */
function endOf(
  order: Order,
  lease: PeerLease,
  swarm: SwarmSnapshot | undefined,
  reason: DeclineReason | undefined,
  now: number,
): EndReason | undefined {
  if (order.left === 0) return "done";
  if (reason) return "declined";
  if (!lease.volunteer || !lease.listed || lease.draining || !swarm) return "called_off";
  // The planner makes another order at once, with sources that are there.
  if (!covers(sourcesOf(order, swarm), order, swarm)) return "called_off";
  const patienceMs = STALLED_MS + order.pieceBytes / MIN_PACE_BYTES_PER_MS;
  return now > order.movedAtMs + patienceMs ? "expired" : undefined;
}

function missingOf(order: Order, swarm: SwarmSnapshot | undefined): PieceWords {
  const words = wordsOfRanges(order.ranges, order.totalPieces);
  const member = swarm?.members.find(({ leaseId }) => leaseId === order.leaseId);
  if (member) remove(words, wordsOf(member.bitfield));
  return words;
}

/** The order's sources that are still listed in the swarm. */
function sourcesOf(order: Order, swarm: SwarmSnapshot | undefined): string[] {
  const urls = new Set(swarm?.members.filter(({ listed }) => listed).map(({ url }) => url));
  return order.sources.filter((url) => urls.has(url));
}

function covers(sources: readonly string[], order: Order, swarm: SwarmSnapshot): boolean {
  const words = missingOf(order, swarm);
  for (const { url, bitfield } of swarm.members) if (sources.includes(url)) remove(words, wordsOf(bitfield));
  return words.every((word) => word === 0);
}

function remove(words: PieceWords, others: PieceWords): void {
  for (let at = 0; at < words.length; at++) words[at]! &= ~others[at]!;
}

function remember(map: Map<string, number>, key: string, value: number, most: number): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > most) map.delete(map.keys().next().value!);
}

import { hashOfText } from "#core/base/rendezvous.ts";
import type { PlanVolunteer } from "#core/replication/input.ts";
import type { Order } from "../store/order-store.ts";
import type { PeerLease, SwarmStore } from "../store/swarm-store.ts";
import { tally } from "../store/tally.ts";

/** The pool is read again from the store after this time, as other trackers change it too. */
const FRESH_MS = 1_000;

/**
 * The volunteers of all swarms and their orders, as of at most FRESH_MS ago, with this tracker's own changes applied.
 */
export class VolunteerPool {
  readonly #store: SwarmStore;
  #madeAtMs = -Infinity;
  #volunteers = new Map<string, PlanVolunteer>();
  #served = new Map<string, number>();
  #underWay = 0;

  constructor(store: SwarmStore) {
    this.#store = store;
  }

  get volunteers(): readonly PlanVolunteer[] {
    return [...this.#volunteers.values()];
  }

  /** Whether a volunteer with free space has fewer than `maxOrders` orders. */
  idle(maxOrders: number): boolean {
    for (const { orders, freeBytes } of this.#volunteers.values())
      if (orders < maxOrders && freeBytes > 0) return true;
    return false;
  }

  get underWay(): number {
    return this.#underWay;
  }

  /** The number of orders that have this peer as a source. */
  readonly served = (url: string): number => this.#served.get(url) ?? 0;

  /** Reads the pool from the store if it is older than FRESH_MS. */
  async refresh(nowMs: number): Promise<void> {
    if (nowMs < this.#madeAtMs + FRESH_MS) return;
    const books = await this.#store.orders.books();
    const leases = await this.#store.volunteers();
    const orders = new Map<string, Order[]>();
    this.#served = new Map();
    this.#underWay = 0;
    for (const order of books.flatMap((book) => book.orders)) {
      orders.set(order.leaseId, [...(orders.get(order.leaseId) ?? []), order]);
      this.#count(order, 1);
    }
    const before = this.#volunteers;
    this.#volunteers = new Map();
    for (const lease of leases) this.#put(lease, orders.get(lease.id) ?? [], before.get(lease.id));
    this.#madeAtMs = nowMs;
  }

  /** A volunteer has announced and now has these orders. */
  announced(lease: PeerLease, orders: readonly Order[]): void {
    const before = this.#volunteers.get(lease.id);
    this.#volunteers.delete(lease.id);
    this.#put(lease, orders, before);
  }

  given(order: Order): void {
    this.#count(order, 1);
    const volunteer = this.#volunteers.get(order.leaseId);
    if (!volunteer) return;
    const freeBytes = Math.max(0, volunteer.freeBytes - order.left * order.pieceBytes);
    this.#volunteers.set(order.leaseId, { ...volunteer, freeBytes, orders: volunteer.orders + 1 });
  }

  /** Its space stays taken until the volunteer announces it as free. */
  ended(order: Order): void {
    this.#count(order, -1);
    const volunteer = this.#volunteers.get(order.leaseId);
    if (volunteer) this.#volunteers.set(order.leaseId, { ...volunteer, orders: volunteer.orders - 1 });
  }

  /** Adds a volunteer that is listed and not draining. `before`: its previous entry. */
  #put(lease: PeerLease, orders: readonly Order[], before: PlanVolunteer | undefined): void {
    const { id, url, zone = "", volunteer, listed, draining } = lease;
    if (!volunteer || !listed || draining) return;
    const { freeBytes, bytesPerSecond, saidAtMs } = volunteer;
    const unheard = orders.filter(({ toldAtMs }) => toldAtMs === 0 || toldAtMs >= saidAtMs);
    const promised = unheard.reduce((sum, { left, pieceBytes }) => sum + left * pieceBytes, 0);
    this.#volunteers.set(id, {
      leaseId: id,
      url,
      urlHash: before?.url === url ? before.urlHash : hashOfText(url),
      zone,
      freeBytes: Math.max(0, freeBytes - promised),
      bytesPerSecond,
      orders: orders.length,
    });
  }

  #count({ sources }: Order, sign: 1 | -1): void {
    this.#underWay += sign;
    for (const url of sources) tally(this.#served, url, sign);
  }
}

import type { Clock } from "#core/base/clock.ts";
import type { SwarmKey } from "#core/ports/tracker.ts";
import type { Order, OrderBook, OrderStore } from "../order-store.ts";
import { swarmText } from "../swarm-key.ts";

/**
 * The orders of a MemorySwarmStore.
 *
 * Invariant: `#swarmsByVolunteer` has a swarm under a lease exactly if the swarm's book has an order of that lease,
 * and no book is empty.
 */
export class MemoryOrders implements OrderStore {
  readonly #clock: Clock;
  readonly #lives: (leaseId: string) => boolean;
  readonly #books = new Map<string, OrderBook>();
  readonly #swarmsByVolunteer = new Map<string, Set<string>>();
  #version = 0;

  /** `lives` tells whether a lease is live. */
  constructor(clock: Clock, lives: (leaseId: string) => boolean) {
    this.#clock = clock;
    this.#lives = lives;
  }

  async now(): Promise<number> {
    return this.#clock.now();
  }

  async book({ infoHash, totalPieces }: SwarmKey): Promise<OrderBook> {
    const none = { infoHash, totalPieces, version: "", orders: [] };
    return this.#books.get(swarmText(none)) ?? none;
  }

  async books(): Promise<readonly OrderBook[]> {
    return [...this.#books.values()];
  }

  async ofVolunteer(leaseId: string): Promise<readonly Order[]> {
    const swarms = [...(this.#swarmsByVolunteer.get(leaseId) ?? [])];
    return swarms.map((id) => this.#books.get(id)!.orders.find((order) => order.leaseId === leaseId)!);
  }

  async change(book: OrderBook, put: readonly Order[], ended: readonly string[]): Promise<boolean> {
    if ((this.#books.get(swarmText(book))?.version ?? "") !== book.version) return false;
    const living = put.filter(({ leaseId }) => this.#lives(leaseId));
    this.#change(book, living, ended);
    return true;
  }

  endVolunteer(leaseId: string): void {
    for (const id of [...(this.#swarmsByVolunteer.get(leaseId) ?? [])])
      this.#change(this.#books.get(id)!, [], [leaseId]);
  }

  #change(book: OrderBook, put: readonly Order[], ended: readonly string[]): void {
    const id = swarmText(book);
    const { infoHash, totalPieces } = book;
    const orders = new Map(book.orders.map((order) => [order.leaseId, order]));
    for (const leaseId of ended) if (orders.delete(leaseId)) this.#note(leaseId, id, false);
    for (const order of put) {
      orders.set(order.leaseId, order);
      this.#note(order.leaseId, id, true);
    }
    const version = String(++this.#version);
    if (orders.size === 0) this.#books.delete(id);
    else this.#books.set(id, { infoHash, totalPieces, version, orders: [...orders.values()] });
  }

  #note(leaseId: string, id: string, has: boolean): void {
    const swarms = this.#swarmsByVolunteer.get(leaseId) ?? new Set();
    if (has) this.#swarmsByVolunteer.set(leaseId, swarms.add(id));
    else if (swarms.delete(id) && swarms.size === 0) this.#swarmsByVolunteer.delete(leaseId);
  }
}

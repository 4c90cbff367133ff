import type { SwarmKey } from "#core/ports/tracker.ts";
import type { Order, OrderBook, OrderStore } from "../order-store.ts";
import { digestOf, swarmIdOf } from "./keys.ts";
import { decodeOrder, encodeOrder } from "./order-codec.ts";
import * as scripts from "./scripts.ts";
import { addToSet, removeFromSet, swarmsIn } from "./sets.ts";
import type { TableParts } from "./tables.ts";

/** Books read in parallel. */
const READ_CHUNK = 50;

/**
 * The orders of a RedisSwarmStore: for each swarm a table with a row for each volunteer, which counts as long as the
 * volunteer's lease lives, and sets that list the swarms with orders. A set may list a swarm without orders: readers
 * check, and remove it.
 */
export class RedisOrders implements OrderStore {
  readonly #parts: TableParts;

  constructor(parts: TableParts) {
    this.#parts = parts;
  }

  now(): Promise<number> {
    return this.#parts.leases.now();
  }

  async book(key: SwarmKey): Promise<OrderBook> {
    const { infoHash, totalPieces } = key;
    const table = this.#parts.keys.orders(swarmIdOf(key));
    const read = await this.#parts.tables.read<{ orders: Order[]; book?: OrderBook }>(table, {
      make: (rows) => ({
        orders: rows.flatMap((row) => {
          const order = decodeOrder(row, { infoHash, totalPieces });
          if (!order) this.#parts.onGarbage();
          return order ?? [];
        }),
      }),
      onEnded: (digest) => this.#parts.tables.remove(table, digest),
    });
    if (!read) return { infoHash, totalPieces, version: "", orders: [] };
    read.book ??= { infoHash, totalPieces, version: this.#parts.tables.versionOf(read), orders: read.orders };
    return read.book;
  }

  async books(): Promise<readonly OrderBook[]> {
    const found = await swarmsIn(this.#parts, this.#parts.keys.books);
    const books: OrderBook[] = [];
    for (let from = 0; from < found.length; from += READ_CHUNK) {
      const chunk = found.slice(from, from + READ_CHUNK);
      const read = await Promise.all(chunk.map((key) => this.book(key)));
      for (const book of read) {
        if (book.orders.length > 0) books.push(book);
        else await this.#removeFrom(this.#parts.keys.books, book, (now) => now.orders.length > 0);
      }
    }
    return books;
  }

  async ofVolunteer(leaseId: string): Promise<readonly Order[]> {
    const set = this.#parts.keys.ordered(digestOf(leaseId));
    const isIts = (order: Order) => order.leaseId === leaseId;
    const orders: Order[] = [];
    for (const key of await swarmsIn(this.#parts, set)) {
      const order = (await this.book(key)).orders.find(isIts);
      if (order) orders.push(order);
      else await this.#removeFrom(set, key, (now) => now.orders.some(isIts));
    }
    return orders;
  }

  async change(book: OrderBook, put: readonly Order[], ended: readonly string[]): Promise<boolean> {
    const { connection, keys, netMs } = this.#parts;
    const swarmId = swarmIdOf(book);
    const rows = [
      ...ended.flatMap((leaseId) => [digestOf(leaseId), ""]),
      ...put.flatMap((order) => [digestOf(order.leaseId), encodeOrder(order)]),
    ];
    const args = [book.version, netMs, ...rows];
    const changed = await connection.script(scripts.changeRows, [keys.orders(swarmId)], args);
    if (Number(changed) !== 1) return false;
    if (put.length === 0) return true;
    // The sets follow the orders, because removeFromSet looks at the book again after it has removed a swarm.
    for (const set of [keys.books, ...put.map(({ leaseId }) => keys.ordered(digestOf(leaseId)))])
      await addToSet(this.#parts, set, swarmId);
    return true;
  }

  async endVolunteer(digest: string): Promise<void> {
    const { keys } = this.#parts;
    for (const key of await swarmsIn(this.#parts, keys.ordered(digest)))
      await this.#parts.tables.remove(keys.orders(swarmIdOf(key)), digest);
  }

  #removeFrom(set: string, key: SwarmKey, belongs: (book: OrderBook) => boolean): Promise<void> {
    return removeFromSet(this.#parts, set, key, async () => belongs(await this.book(key)));
  }
}

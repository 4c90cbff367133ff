import type { SwarmKey } from "#core/ports/tracker.ts";
import type { Order, OrderBook, OrderStore } from "../order-store.ts";
import { digestOf, parseSwarmId, swarmIdOf } from "./keys.ts";
import type { RedisLeases, RedisParts } from "./leases.ts";
import { decodeOrder, encodeOrder } from "./order-codec.ts";
import * as scripts from "./scripts.ts";
import type { RedisTables } from "./tables.ts";

/** Books read at the same time. */
const READ_CHUNK = 50;

/**
 * The orders of a RedisSwarmStore: a table for each swarm with a row for each volunteer, which counts as long as the
 * volunteer's lease lives, and sets that say where to look. A set may name a swarm without such an order: readers
 * check.
 */
export class RedisOrders implements OrderStore {
  readonly #parts: RedisParts;
  readonly #leases: RedisLeases;
  readonly #tables: RedisTables;

  constructor(parts: RedisParts, leases: RedisLeases, tables: RedisTables) {
    this.#parts = parts;
    this.#leases = leases;
    this.#tables = tables;
  }

  now(): Promise<number> {
    return this.#leases.now();
  }

  async book(key: SwarmKey): Promise<OrderBook> {
    const { infoHash, totalPieces } = key;
    const table = this.#parts.keys.orders(swarmIdOf(key));
    const read = await this.#tables.read<{ orders: Order[]; book?: OrderBook }>(table, {
      make: (rows) => ({
        orders: rows.flatMap((row) => {
          const order = decodeOrder(row, { infoHash, totalPieces });
          if (!order) this.#parts.onGarbage();
          return order ?? [];
        }),
      }),
      onEnded: (digest) => this.#tables.remove(table, digest),
    });
    if (!read) return { infoHash, totalPieces, version: "", orders: [] };
    read.book ??= { infoHash, totalPieces, version: this.#tables.versionOf(read), orders: read.orders };
    return read.book;
  }

  async books(): Promise<readonly OrderBook[]> {
    const found = await this.#swarmsIn(this.#parts.keys.books);
    const books: OrderBook[] = [];
    for (let from = 0; from < found.length; from += READ_CHUNK) {
      const chunk = found.slice(from, from + READ_CHUNK);
      const read = await Promise.all(chunk.map((key) => this.book(key)));
      for (const book of read) {
        if (book.orders.length > 0) books.push(book);
        else await this.#forget(this.#parts.keys.books, book, (now) => now.orders.length > 0);
      }
    }
    return books;
  }

  async ofVolunteer(leaseId: string): Promise<readonly Order[]> {
    const set = this.#parts.keys.ordered(digestOf(leaseId));
    const isIts = (order: Order) => order.leaseId === leaseId;
    const orders: Order[] = [];
    for (const key of await this.#swarmsIn(set)) {
      const order = (await this.book(key)).orders.find(isIts);
      if (order) orders.push(order);
      else await this.#forget(set, key, (now) => now.orders.some(isIts));
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
    // After the orders themselves: who takes a swarm out of a set looks at its book once more.
    for (const set of [keys.books, ...put.map(({ leaseId }) => keys.ordered(digestOf(leaseId)))]) {
      if (put.length === 0) break;
      await connection.command("SADD", set, swarmId);
      await connection.command("PEXPIRE", set, netMs);
    }
    return true;
  }

  /** A lease is being taken away: its orders go with it. */
  async endVolunteer(digest: string): Promise<void> {
    const { keys } = this.#parts;
    for (const key of await this.#swarmsIn(keys.ordered(digest)))
      await this.#tables.remove(keys.orders(swarmIdOf(key)), digest);
  }

  async #swarmsIn(set: string): Promise<SwarmKey[]> {
    const ids = (await this.#parts.connection.command("SMEMBERS", set)) as Buffer[];
    return ids.flatMap((id) => {
      const key = parseSwarmId(String(id));
      if (!key) this.#parts.onGarbage();
      return key ?? [];
    });
  }

  async #forget(set: string, key: SwarmKey, holds: (book: OrderBook) => boolean): Promise<void> {
    const { connection } = this.#parts;
    await connection.command("SREM", set, swarmIdOf(key));
    if (holds(await this.book(key))) await connection.command("SADD", set, swarmIdOf(key));
  }
}

import type { PieceRange, SwarmKey } from "#core/ports/tracker.ts";

/** An order to one volunteer to copy pieces of one swarm. It ends with the volunteer's lease. */
export interface Order extends SwarmKey {
  /** 32 hex digits. */
  readonly id: string;
  /** The volunteer's lease, URL and zone. */
  readonly leaseId: string;
  readonly url: string;
  readonly zone: string;
  /** Pieces to copy: ascending ranges that do not touch each other; at most 4,096. */
  readonly ranges: readonly PieceRange[];
  /** URLs of peers to copy from, best first; at most 8. */
  readonly sources: readonly string[];
  /** The greatest length that one of its pieces can have, in bytes. */
  readonly pieceBytes: number;
  /** Pieces that the volunteer had not announced when the tracker last reviewed the order. */
  readonly left: number;
  /** When the volunteer was first told of the order, in ms of OrderStore.now; 0 before that. */
  readonly toldAtMs: number;
  /** When the order was given, first told or last progressed, in ms of OrderStore.now. */
  readonly movedAtMs: number;
}

/** The orders of one swarm at one moment. */
export interface OrderBook extends SwarmKey {
  /** Differs after every change; empty without orders. */
  readonly version: string;
  /** Oldest first; at most one for each volunteer. */
  readonly orders: readonly Order[];
}

/**
 * The orders under way, one book for each swarm. A change to a book is atomic: if two trackers plan from the same
 * version, only the first change applies, so that no piece is ordered twice. A book never contains an order whose
 * lease ended more than a sweep (1 s) ago. Every implementation runs test/contract/order-store.ts.
 */
export interface OrderStore {
  /** The time in ms on a clock that all trackers over this store share. */
  now(): Promise<number>;
  book(key: SwarmKey): Promise<OrderBook>;
  /** Every book that has orders. */
  books(): Promise<readonly OrderBook[]>;
  /** The orders of one volunteer. */
  ofVolunteer(leaseId: string): Promise<readonly Order[]>;
  /**
   * Writes the orders of `put` into the book, in place of those of the same volunteers, and removes the orders of the
   * leases in `ended`. Skips an order whose lease has ended. Returns false without a change if the version of `book`
   * is not the current one.
   */
  change(book: OrderBook, put: readonly Order[], ended: readonly string[]): Promise<boolean>;
}

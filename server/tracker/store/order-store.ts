import type { PieceRange, SwarmKey } from "#core/ports/tracker.ts";

/** One volunteer's copying in one swarm. It ends with the volunteer's lease. */
export interface Order extends SwarmKey {
  /** 32 hex digits. */
  readonly id: string;
  /** The volunteer's. */
  readonly leaseId: string;
  readonly url: string;
  readonly zone: string;
  /** Ascending and apart; at most 4,096. */
  readonly ranges: readonly PieceRange[];
  /** URLs, best first; at most 8. */
  readonly sources: readonly string[];
  /** The longest that one of its pieces can be. */
  readonly pieceBytes: number;
  /** Pieces that the volunteer had not announced when it was last looked at. */
  readonly left: number;
  /** When the volunteer was first told of it; 0: not yet. In ms of OrderStore.now, as the next. */
  readonly toldAtMs: number;
  /** When it was given, first told of, or last got further. */
  readonly movedAtMs: number;
}

/** The orders of one swarm at one moment. */
export interface OrderBook extends SwarmKey {
  /** Another one after every change; empty if there is no order. */
  readonly version: string;
  /** Oldest first; at most one of each volunteer. */
  readonly orders: readonly Order[];
}

/**
 * The orders under way, a book for each swarm. A book changes as one step, so that of two who plan from the same book
 * only one is heard, and no piece is ordered twice. A book never names an order whose volunteer's lease ended more than
 * a sweep (1 s) ago. Every implementation runs test/contract/order-store.ts.
 */
export interface OrderStore {
  /** In ms, the same for all trackers over this store. */
  now(): Promise<number>;
  book(key: SwarmKey): Promise<OrderBook>;
  /** The books that have orders. */
  books(): Promise<readonly OrderBook[]>;
  /** The orders of one volunteer. */
  ofVolunteer(leaseId: string): Promise<readonly Order[]>;
  /**
   * Writes these orders into the book, instead of those of the same volunteers, and takes out those of the volunteers in
   * `ended`. An order for a lease that has ended is none. Returns false, and changes nothing, if the book is not as it was any more.
   */
  change(book: OrderBook, put: readonly Order[], ended: readonly string[]): Promise<boolean>;
}

import type {
  DeclinedOrder,
  DeclineReason,
  PieceRange,
  ReplicationOrder,
  Tracker,
} from "#core/ports/tracker.ts";

/** An order of one tracker, as that named it last. */
export interface KeptOrder extends ReplicationOrder {
  /** Who ordered it, and knows who else has the pieces. */
  readonly tracker: Tracker;
}

interface Entry {
  order: KeptOrder;
  endsAtMs: number;
  /** It is carried out: there is room for it, and its torrent is known. */
  accepted: boolean;
  declined: DeclineReason | undefined;
}

/**
 * What trackers have ordered. An order lives as long as its tracker names it in every answer, and its lease at most;
 * one that was declined is told as such until its tracker names it no more.
 */
export class VolunteerOrders {
  /** By tracker id, then by the order's id. */
  readonly #books = new Map<string, Map<string, Entry>>();

  /** All that this tracker wants now. */
  hear(trackerId: string, tracker: Tracker, orders: readonly ReplicationOrder[], now: number): void {
    const before = this.#books.get(trackerId);
    const book = new Map<string, Entry>();
    for (const order of orders) {
      const known = before?.get(order.id);
      const same = known?.order.infoHash === order.infoHash && known.order.totalPieces === order.totalPieces;
      book.set(order.id, {
        order: { ...order, tracker },
        endsAtMs: now + order.expiresMs,
        // One that has grown is a new one: there may be no room for it.
        accepted: same && known.accepted && isWithin(order.ranges, known.order.ranges),
        declined: same ? known.declined : undefined,
      });
    }
    this.#books.set(trackerId, book);
  }

  /** Those that nobody has decided on yet. */
  open(now: number): KeptOrder[] {
    return this.#live(now).flatMap(({ order, accepted }) => (accepted ? [] : [order]));
  }

  /** Those to carry out. */
  accepted(now: number): KeptOrder[] {
    return this.#live(now).flatMap(({ order, accepted }) => (accepted ? [order] : []));
  }

  accept(order: KeptOrder): void {
    this.#change(order, (entry) => {
      entry.accepted = true;
    });
  }

  decline(order: KeptOrder, reason: DeclineReason): void {
    this.#change(order, (entry) => {
      entry.declined = reason;
    });
  }

  /** What this tracker is to be told. */
  declined(trackerId: string): DeclinedOrder[] {
    const entries = [...(this.#books.get(trackerId)?.entries() ?? [])];
    return entries.flatMap(([id, { declined }]) => (declined ? [{ id, reason: declined }] : []));
  }

  /** When the next lease ends; Infinity if none does. */
  nextEndMs(now: number): number {
    return Math.min(...this.#live(now).map(({ endsAtMs }) => endsAtMs));
  }

  #live(now: number): Entry[] {
    const entries = [...this.#books.values()].flatMap((book) => [...book.values()]);
    return entries.filter(({ declined, endsAtMs }) => !declined && endsAtMs > now);
  }

  /** The order as it is now, which may have been named again since. */
  #change({ id, infoHash, tracker }: KeptOrder, change: (entry: Entry) => void): void {
    for (const book of this.#books.values()) {
      const entry = book.get(id);
      if (entry?.order.infoHash === infoHash && entry.order.tracker === tracker) change(entry);
    }
  }
}

/** Whether each of these ranges lies in one of those; both ascend. */
function isWithin(ranges: readonly PieceRange[], those: readonly PieceRange[]): boolean {
  let at = 0;
  return ranges.every(({ first, last }) => {
    while (at < those.length && those[at]!.last < first) at++;
    const around = those[at];
    return around !== undefined && around.first <= first && last <= around.last;
  });
}

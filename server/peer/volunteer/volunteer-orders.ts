import type {
  DeclinedOrder,
  DeclineReason,
  PieceRange,
  ReplicationOrder,
  Tracker,
} from "#core/ports/tracker.ts";

/** An order as its tracker last named it. */
export interface KeptOrder extends ReplicationOrder {
  /** The tracker that gave the order and knows the peers with the pieces. */
  readonly tracker: Tracker;
}

interface Entry {
  order: KeptOrder;
  endsAtMs: number;
  /** The order is being carried out: its torrent is known and there is space for it. */
  accepted: boolean;
  declined: DeclineReason | undefined;
}

/**
 * The orders of all trackers. An order lives while its tracker names it in every answer, at most for its lease. A
 * declined order is reported as declined until its tracker stops naming it.
 */
export class VolunteerOrders {
  /** By the tracker's URL, then by the order's id. */
  readonly #books = new Map<string, Map<string, Entry>>();

  /** Replaces this tracker's orders. */
  hear(tracker: Tracker, orders: readonly ReplicationOrder[], now: number): void {
    const before = this.#books.get(tracker.url);
    const book = new Map<string, Entry>();
    for (const order of orders) {
      const known = before?.get(order.id);
      const same = known?.order.infoHash === order.infoHash && known.order.totalPieces === order.totalPieces;
      book.set(order.id, {
        order: { ...order, tracker },
        endsAtMs: now + order.expiresMs,
        // An order that has grown counts as new: there may be no space for it.
        accepted: same && known.accepted && isWithin(order.ranges, known.order.ranges),
        declined: same ? known.declined : undefined,
      });
    }
    this.#books.set(tracker.url, book);
  }

  /** Whether this tracker has answered since the start. */
  heardOf(trackerUrl: string): boolean {
    return this.#books.has(trackerUrl);
  }

  /** Orders that are neither accepted nor declined. */
  open(now: number): KeptOrder[] {
    return this.#live(now).flatMap(({ order, accepted }) => (accepted ? [] : [order]));
  }

  accepted(now: number): KeptOrder[] {
    return this.#live(now).flatMap(({ order, accepted }) => (accepted ? [order] : []));
  }

  acceptedOf(infoHash: string, now: number): KeptOrder[] {
    return this.accepted(now).filter((order) => order.infoHash === infoHash);
  }

  accept(order: KeptOrder): void {
    this.#change(order, { accepted: true });
  }

  decline(order: KeptOrder, reason: DeclineReason): void {
    this.#change(order, { declined: reason });
  }

  /** The declined orders to report to this tracker. */
  declined(trackerUrl: string): DeclinedOrder[] {
    const entries = [...(this.#books.get(trackerUrl)?.entries() ?? [])];
    return entries.flatMap(([id, { declined }]) => (declined ? [{ id, reason: declined }] : []));
  }

  /** When the next order expires; Infinity without orders. */
  nextEndMs(now: number): number {
    return Math.min(...this.#live(now).map(({ endsAtMs }) => endsAtMs));
  }

  #live(now: number): Entry[] {
    const entries = [...this.#books.values()].flatMap((book) => [...book.values()]);
    return entries.filter(({ declined, endsAtMs }) => !declined && endsAtMs > now);
  }

  /** Changes the current entry of an order, which its tracker may have named again since. */
  #change({ id, infoHash, tracker }: KeptOrder, change: Partial<Entry>): void {
    for (const book of this.#books.values()) {
      const entry = book.get(id);
      if (entry?.order.infoHash === infoHash && entry.order.tracker === tracker) Object.assign(entry, change);
    }
  }
}

/** Whether each range lies within one of `those`; both ascend. */
function isWithin(ranges: readonly PieceRange[], those: readonly PieceRange[]): boolean {
  let at = 0;
  return ranges.every(({ first, last }) => {
    while (at < those.length && those[at]!.last < first) at++;
    const around = those[at];
    return around !== undefined && around.first <= first && last <= around.last;
  });
}

import type { Clock } from "#core/base/clock.ts";

/** How late an expiry may come. */
const SLOT_MS = 1_000;
/** Items looked at before others get the processor: well under 10 ms. */
const SLICE = 1_000;
/** Before the next slice of a slot that was not finished. */
const SLICE_GAP_MS = 5;

/**
 * Finds what has expired without looking at what has not.
 *
 * Each item lies in one slot of a second. Renewing costs nothing here: when an item's slot comes up and its time has
 * moved on, it is filed again under the new one. So an item is touched once a lifetime, however often it is renewed.
 */
export class ExpiryWheel<T> {
  readonly #clock: Clock;
  readonly #expiresAt: (item: T) => number;
  readonly #onExpired: (item: T) => void;
  /** In no order: a slot is emptied from its end. */
  readonly #slots = new Map<number, T[]>();
  /** The slot that comes up next. */
  #next = 0;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, expiresAt: (item: T) => number, onExpired: (item: T) => void) {
    this.#clock = clock;
    this.#expiresAt = expiresAt;
    this.#onExpired = onExpired;
  }

  add(item: T): void {
    if (!this.#cancel) {
      this.#next = Math.floor(this.#clock.now() / SLOT_MS) + 1;
      this.#arm();
    }
    this.#file(item);
  }

  close(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#slots.clear();
  }

  /** An item that ended early stays filed: `expiresAt` says less than 0 of it and its slot drops it. */
  #file(item: T): void {
    const slot = Math.max(this.#next, Math.ceil(this.#expiresAt(item) / SLOT_MS));
    const items = this.#slots.get(slot);
    if (items) items.push(item);
    else this.#slots.set(slot, [item]);
  }

  #arm(gapMs = 0): void {
    const due = Math.max(gapMs, this.#next * SLOT_MS - this.#clock.now());
    this.#cancel = this.#clock.after(due, () => this.#sweep());
  }

  #sweep(): void {
    this.#cancel = undefined;
    const now = this.#clock.now();
    let left = SLICE;
    while (this.#next * SLOT_MS <= now) {
      left = this.#sweepSlot(now, left);
      if (left === 0) break;
      this.#slots.delete(this.#next++);
    }
    if (this.#slots.size > 0) this.#arm(left === 0 ? SLICE_GAP_MS : 0);
  }

  /** Empties the slot that is due, at most `limit` items of it. Returns how many more may be looked at. */
  #sweepSlot(now: number, limit: number): number {
    const items = this.#slots.get(this.#next) ?? [];
    while (items.length > 0) {
      if (limit-- === 0) return 0;
      const item = items.pop()!;
      const expiresAt = this.#expiresAt(item);
      if (expiresAt > now) this.#file(item);
      else if (expiresAt >= 0) this.#onExpired(item);
    }
    return limit;
  }
}

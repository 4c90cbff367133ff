import type { Clock } from "#core/base/clock.ts";

/** The width of a slot: an item may expire this much late. */
const SLOT_MS = 1_000;
/** Items processed before other work gets the processor; they take well under 10 ms. */
const SLICE = 1_000;
/** The pause before the rest of a slot that has more items than a slice. */
const SLICE_GAP_MS = 5;

/**
 * Finds expired items without looking at the others.
 *
 * Each item lies in the slot of one second. Renewing an item costs nothing here: if its expiry has moved on when its
 * slot is due, the wheel files it again. So the wheel touches an item once a lifetime, however often it is renewed.
 */
export class ExpiryWheel<T> {
  readonly #clock: Clock;
  readonly #expiresAt: (item: T) => number;
  readonly #onExpired: (item: T) => void;
  /** Items by slot number, in no order: a slot is emptied from its end. */
  readonly #slots = new Map<number, T[]>();
  /** The number of the next slot that is due. */
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

  /** An item that ended early stays filed. Its `expiresAt` is then below 0, and its slot drops it. */
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

  /** Takes at most `limit` items out of the slot that is due. Returns how many of the limit are left. */
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

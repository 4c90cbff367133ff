import type { Clock } from "./clock.ts";

/** Milliseconds of unused time that the flow may make up for, such as a late timer's. */
const SLACK_MS = 100;
/** The same as a part of the time that the booked bytes take, so that a slow rate loses nothing to short delays. */
const SLACK_SHARE = 0.25;

/**
 * Holds a flow of bytes to a rate. Bookings queue up, and each ends when its bytes have had their time. A caller that
 * waits for that end keeps to the rate from the first byte on, without a burst at the start.
 */
export class RateLimit {
  readonly bytesPerSecond: number;
  readonly #clock: Clock;
  /** The time at which all booked bytes have had theirs. */
  #bookedUntilMs: number;
  /** Callers that wait for their turn, the longest wait first, and the bytes that they want. */
  readonly #waiting = new Map<() => void, number>();
  #turn: (() => void) | undefined;
  #cancelTimer: (() => void) | undefined;

  constructor(bytesPerSecond: number, clock: Clock) {
    this.bytesPerSecond = bytesPerSecond;
    this.#clock = clock;
    this.#bookedUntilMs = clock.now();
  }

  /** Milliseconds until a booking of `bytes` made now would end; 0 or less if the bytes may flow at once. */
  waitMs(bytes: number): number {
    return this.#endOf(bytes) - this.#clock.now();
  }

  book(bytes: number): void {
    this.#bookedUntilMs = this.#endOf(bytes);
  }

  /** Returns booked bytes that did not flow after all. */
  giveBack(bytes: number): void {
    this.#bookedUntilMs -= this.#timeOf(bytes);
    this.#schedule();
  }

  /**
   * Books the bytes and returns true if they may flow at once. Otherwise calls `retry` once, when it is this caller's
   * turn to try again. Waiting callers get their turns in order, the longest wait first.
   */
  take(bytes: number, retry: () => void): boolean {
    const first = this.#turn === retry || this.#waiting.size === 0;
    if (first && this.waitMs(bytes) <= 0) {
      this.book(bytes);
      return true;
    }
    this.#waiting.set(retry, bytes);
    this.#schedule();
    return false;
  }

  /** Removes a caller that waits. */
  leave(retry: () => void): void {
    this.#waiting.delete(retry);
    this.#schedule();
  }

  #endOf(bytes: number): number {
    const ownMs = this.#timeOf(bytes);
    const slackMs = Math.max(SLACK_MS, SLACK_SHARE * ownMs);
    return Math.max(this.#bookedUntilMs + ownMs, this.#clock.now() - slackMs);
  }

  #timeOf(bytes: number): number {
    return (bytes * 1000) / this.bytesPerSecond;
  }

  #schedule(): void {
    this.#cancelTimer?.();
    const [next] = this.#waiting;
    this.#cancelTimer =
      next && this.#clock.after(Math.max(0, this.waitMs(next[1])), () => this.#call(next[0]));
  }

  #call(retry: () => void): void {
    this.#cancelTimer = undefined;
    this.#waiting.delete(retry);
    this.#turn = retry;
    try {
      retry();
    } finally {
      this.#turn = undefined;
      this.#schedule();
    }
  }
}

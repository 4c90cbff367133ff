import type { Clock } from "./clock.ts";

/** What may be made up of time that went unused, a late timer's for example. */
const SLACK_MS = 100;
/** Of time that the bytes at hand take, so that a slow rate does not lose what comes a little late. */
const SLACK_SHARE = 0.25;

/**
 * Holds bytes to a rate. Bytes are booked one behind the other, and each booking ends when its bytes have had their
 * time; whoever waits for that end keeps to the rate from the first byte on, without a burst at the start.
 */
export class RateLimit {
  readonly bytesPerSecond: number;
  readonly #clock: Clock;
  /** When everything booked has had its time. */
  #bookedUntilMs: number;
  /** Who waits for its turn, longest first, and for how many bytes. */
  readonly #waiting = new Map<() => void, number>();
  #turn: (() => void) | undefined;
  #cancelTimer: (() => void) | undefined;

  constructor(bytesPerSecond: number, clock: Clock) {
    this.bytesPerSecond = bytesPerSecond;
    this.#clock = clock;
    this.#bookedUntilMs = clock.now();
  }

  /** Milliseconds until `bytes` booked now would have had their time; 0 or less if they have had it already. */
  waitMs(bytes: number): number {
    return this.#endOf(bytes) - this.#clock.now();
  }

  book(bytes: number): void {
    this.#bookedUntilMs = this.#endOf(bytes);
  }

  /** Bytes that were booked and did not flow after all. */
  giveBack(bytes: number): void {
    this.#bookedUntilMs -= this.#timeOf(bytes);
    this.#schedule();
  }

  /**
   * Books the bytes if they have had their time already, and says so. If not, `retry` is called once, when it is its turn to try again; of
   * several who wait each gets its turn, the longest first.
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

  /** `retry` waits no more. */
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

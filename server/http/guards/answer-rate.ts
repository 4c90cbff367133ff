import { PiezaError } from "#core/base/errors.ts";
import { CallRate } from "./rate-limit.ts";

/** Bytes of long answers for one address: at once, and then each second. */
const BURST_BYTES = 64 << 20;
const BYTES_PER_SECOND = 4 << 20;

/**
 * Bounds the bytes of answers that are much longer than their requests, for each address. Most answers are a few KiB,
 * and no caller that waits for them comes near the bound.
 */
export class AnswerRate {
  readonly #rate: CallRate;

  constructor(now?: () => number) {
    this.#rate = new CallRate(BURST_BYTES, BYTES_PER_SECOND, now);
  }

  /** Call it before an answer is made. Throws PiezaError with resource_exhausted and a hint. */
  admit(address: string): void {
    const retryAfterMs = this.#rate.take(address);
    if (retryAfterMs === 0) return;
    throw new PiezaError("resource_exhausted", "too many bytes of answers for this address", {
      retryAfterMs,
    });
  }

  /** Charges an address for an answer that was made for it. */
  charge(address: string, bytes: number): void {
    this.#rate.charge(address, bytes);
  }
}

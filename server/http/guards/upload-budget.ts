import { PiezaError } from "#core/base/errors.ts";
import { network } from "../base/caller.ts";

/** When a refused caller may try again: about as long as 16 pieces of 1 MiB take on its share of a slow link. */
const RETRY_AFTER_MS = 250;

/**
 * Bounds the bytes of bodies that a server holds in memory at once to `limitBytes`. It refuses and never queues.
 *
 * It is fair by address: an address may hold, with what it takes now, no more than is free. So one greedy address
 * stops at half, and a new one always finds room. A body larger than `limitBytes` passes while nothing else is held.
 */
export class UploadBudget {
  readonly limitBytes: number;
  readonly #byCaller = new Map<string, number>();
  #bytes = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  /** Bytes that are taken at the moment. */
  get inFlightBytes(): number {
    return this.#bytes;
  }

  /**
   * Takes `bytes` for `address` and returns a function that gives them back; calling it again does nothing. Throws
   * PiezaError("resource_exhausted") with a retry hint.
   */
  take(address: string, bytes: number): () => void {
    const caller = network(address);
    const own = this.#byCaller.get(caller) ?? 0;
    const free = this.limitBytes - this.#bytes;
    if (own + bytes > free && this.#bytes > 0) {
      throw new PiezaError("resource_exhausted", "too many bytes are in transfer here; try again later", {
        retryAfterMs: RETRY_AFTER_MS,
      });
    }
    this.#add(caller, bytes);
    let held = true;
    return () => {
      if (held) this.#add(caller, -bytes);
      held = false;
    };
  }

  /** Takes `bytes` as `take` does, or nothing where that would refuse. */
  takeIfFree(address: string, bytes: number): () => void {
    const own = this.#byCaller.get(network(address)) ?? 0;
    return own + bytes > this.limitBytes - this.#bytes ? () => {} : this.take(address, bytes);
  }

  #add(caller: string, bytes: number): void {
    const own = (this.#byCaller.get(caller) ?? 0) + bytes;
    this.#bytes += bytes;
    if (own > 0) this.#byCaller.set(caller, own);
    else this.#byCaller.delete(caller);
  }
}

import { PiezaError } from "#core/base/errors.ts";
import { network } from "./rate-limit.ts";

/** When a caller that was refused may try again: about what 16 pieces of 1 MiB take on a slow link's share. */
const RETRY_AFTER_MS = 250;

/**
 * The bytes of answers that a server holds in memory at once: at most `limitBytes`, and never a queue.
 *
 * Fair by address: whoever has something under way gets more only up to what is free besides, so one greedy address
 * stops at half and a newcomer always finds room. A piece larger than all that still goes when nothing else does.
 */
export class UploadBudget {
  readonly #limitBytes: number;
  readonly #byCaller = new Map<string, number>();
  #bytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** Bytes taken and not given back. */
  get inFlightBytes(): number {
    return this.#bytes;
  }

  /** Takes `bytes` for `address`; the result gives them back, once. Throws PiezaError("resource_exhausted"). */
  take(address: string, bytes: number): () => void {
    const caller = network(address);
    const own = this.#byCaller.get(caller) ?? 0;
    const free = this.#limitBytes - this.#bytes;
    if (own + bytes > free && this.#bytes > 0) {
      throw new PiezaError("resource_exhausted", "too many bytes are on their way already", {
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

  #add(caller: string, bytes: number): void {
    const own = (this.#byCaller.get(caller) ?? 0) + bytes;
    this.#bytes += bytes;
    if (own > 0) this.#byCaller.set(caller, own);
    else this.#byCaller.delete(caller);
  }
}

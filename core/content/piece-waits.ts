import type { PieceIndex } from "../torrent/piece.ts";

/** The readers of a torrent's bytes that wait for pieces. */
export class PieceWaits {
  readonly #waits = new Map<PieceIndex, Set<PromiseWithResolvers<void>>>();

  /** Resolves when the piece is held. Rejects with the signal's reason when it aborts, or with the error of `fail`. */
  async wait(index: PieceIndex, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const wait = Promise.withResolvers<void>();
    const waits = this.#waits.get(index) ?? new Set();
    this.#waits.set(index, waits.add(wait));
    const onAbort = () => wait.reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      await wait.promise;
    } finally {
      signal.removeEventListener("abort", onAbort);
      waits.delete(wait);
      if (waits.size === 0) this.#waits.delete(index);
    }
  }

  onHeld(index: PieceIndex): void {
    for (const { resolve } of this.#waits.get(index) ?? []) resolve();
  }

  /** Rejects every wait. */
  fail(error: unknown): void {
    for (const waits of this.#waits.values()) for (const { reject } of waits) reject(error);
  }
}

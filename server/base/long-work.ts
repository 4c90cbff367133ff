import { setImmediate } from "node:timers/promises";
import type { Breathe } from "#core/base/breathe.ts";

/** Work on the event loop lasts this long before other events get their turn. */
const TURN_MS = 8;

/** Returns a `Breathe` for one computation, which begins now. */
export function breathing(turnMs = TURN_MS): Breathe {
  let sinceMs = performance.now();
  return () => {
    if (performance.now() - sinceMs < turnMs) return undefined;
    return setImmediate().then(() => {
      sinceMs = performance.now();
    });
  };
}

/**
 * Runs long computations one after the other, so that many of them at once delay other events no longer than one
 * does.
 */
export class LongWork {
  #latest: Promise<unknown> = Promise.resolve();

  /** `isLong`: default true. Work that is not long is done at once. */
  run<T>(work: (breathe: Breathe) => Promise<T>, isLong = true): Promise<T> {
    if (!isLong) return work(breathing());
    const turn = this.#latest.then(() => work(breathing()));
    this.#latest = turn.catch(() => {});
    return turn;
  }
}

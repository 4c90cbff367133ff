import type { Clock } from "./clock.ts";
import { PiezaError } from "./errors.ts";

/** One of several places that can answer the same question. `url` names the place in its timeout error. */
export interface Asked<T> {
  readonly url: string;
  ask(signal: AbortSignal): Promise<T>;
}

export interface Patience {
  /** Milliseconds without an answer after which the next place is asked too. After a failure it is asked at once. */
  readonly hedgeMs: number;
  /** Milliseconds without an answer after which a place counts as failed. */
  readonly answerMs: number;
}

/**
 * Asks the places in order and resolves with the first answer and its place; calls still under way are aborted.
 * Rejects with the last failure when every place has failed, and with the signal's reason on abort.
 */
export function firstAnswer<T, P extends Asked<T>>(
  places: readonly (P & Asked<T>)[],
  { hedgeMs, answerMs }: Patience,
  clock: Clock,
  signal: AbortSignal,
): Promise<{ readonly answer: T; readonly from: P }> {
  return new Promise((resolve, reject) => {
    const over = new AbortController();
    const onAbort = () => end(() => reject(signal.reason));
    let failed = 0;
    let next = 0;
    let cancelHedge = () => {};
    const end = (settle: () => void) => {
      cancelHedge();
      signal.removeEventListener("abort", onAbort);
      settle();
      over.abort(new PiezaError("unavailable", "another has answered"));
    };
    const askNext = () => {
      const place = places[next++];
      if (!place) return;
      const late = new AbortController();
      const cancelDeadline = clock.after(answerMs, () =>
        late.abort(new PiezaError("deadline_exceeded", `${place.url} does not answer`)),
      );
      cancelHedge();
      cancelHedge = next < places.length ? clock.after(hedgeMs, askNext) : () => {};
      place
        .ask(AbortSignal.any([over.signal, late.signal]))
        .finally(cancelDeadline)
        .then(
          (answer) => end(() => resolve({ answer, from: place })),
          (error: unknown) => {
            if (over.signal.aborted) return;
            failed++;
            if (failed === places.length) end(() => reject(error));
            else if (failed === next) askNext();
          },
        );
    };
    if (signal.aborted) return reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    askNext();
  });
}

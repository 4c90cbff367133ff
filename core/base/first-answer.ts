import type { Clock } from "./clock.ts";
import { PiezaError } from "./errors.ts";

/** One of several places to ask the same. `url` is for the error when it does not answer. */
export interface Asked<T> {
  readonly url: string;
  ask(signal: AbortSignal): Promise<T>;
}

export interface Patience {
  /** The next place is asked as well when the one before has not answered for so long; at once when it has failed. */
  readonly hedgeMs: number;
  /** Each place has failed when it has not answered for so long. */
  readonly answerMs: number;
}

/**
 * The first answer and the place that gave it, asking one after the other in order. What is still asked then is
 * aborted. Throws the last failure when all have failed, and the signal's reason when it is aborted.
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

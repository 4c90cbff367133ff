/** Time as the engine sees it. Injected, so that tests move it by hand and a jump of the wall clock changes nothing. */
export interface Clock {
  /** Monotonic milliseconds from an arbitrary start. Never goes back, never jumps with the wall clock. */
  now(): number;
  /** Calls `fn` once after `ms` milliseconds. Returns what cancels it; cancelling twice, or late, is harmless. */
  after(ms: number, fn: () => void): () => void;
}

/** Resolves after `ms`. Rejects with the signal's reason when it is aborted, and leaves no timer behind. */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      cancel();
      reject(signal?.reason);
    };
    const cancel = clock.after(ms, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

/** Randomness as the engine sees it: uniform in [0, 1). Injected for the same reason. */
export type Random = () => number;

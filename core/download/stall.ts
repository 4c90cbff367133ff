import type { Clock } from "../base/clock.ts";
import { PeerFailed } from "../base/errors.ts";

/** A request that brings fewer bytes than these in this time has stalled, however steadily it drips. */
const STALL_MS = 10_000;
const STALL_BYTES = 4 << 10;

/**
 * Waits for a request for a piece; `received` says how many bytes it has brought so far. A request that stalls is
 * aborted with PeerFailed("deadline_exceeded") as the reason, which the promise then rejects with.
 */
export async function unlessStalled<T>(
  request: Promise<T>,
  received: () => number,
  clock: Clock,
  abort: AbortController,
): Promise<T> {
  let cancel = () => {};
  const watch = (before: number) => {
    cancel = clock.after(STALL_MS, () => {
      const bytes = received() - before;
      if (bytes >= STALL_BYTES) return watch(before + bytes);
      const problem = `no more than ${bytes} ${bytes === 1 ? "byte" : "bytes"} of the piece in ${STALL_MS / 1000} s`;
      abort.abort(new PeerFailed("deadline_exceeded", problem));
    });
  };
  watch(0);
  try {
    return await request;
  } finally {
    cancel();
  }
}

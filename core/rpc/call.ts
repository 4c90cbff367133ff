import type { PiezaError } from "../base/errors.ts";
import { toPiezaError } from "./errors.ts";

/**
 * Runs one call. An aborted signal of ours rejects with its reason; anything else that goes wrong is the other side's
 * failure, whatever it calls it, and becomes `asError` of it.
 */
export async function calling<T>(
  signal: AbortSignal | undefined,
  call: () => Promise<T>,
  asError: (error: unknown) => PiezaError = toPiezaError,
): Promise<T> {
  signal?.throwIfAborted();
  try {
    return await call();
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    throw asError(error);
  }
}

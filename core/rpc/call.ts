import type { CallOptions, Transport } from "@connectrpc/connect";
import type { PiezaError } from "../base/errors.ts";
import { toPiezaError } from "./errors.ts";

/** The server that a client calls. */
export interface RemoteOptions {
  /** Scheme, host and port. */
  readonly url: string;
  readonly transport: Transport;
}

/** Milliseconds for a small answer. A client has other servers to ask. */
export const SMALL_TIMEOUT_MS = 10_000;
/** Milliseconds for a torrent of 16 MiB at 256 KiB/s. */
export const TORRENT_TIMEOUT_MS = 90_000;

/** The call options that send a bearer token; empty without one. */
export function authorized(token: string | undefined): Pick<CallOptions, "headers"> {
  return token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } };
}

/** Runs a call. Rejects with an aborted signal's reason, or with the other side's failure, converted by `asError`. */
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

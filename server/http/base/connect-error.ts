import { Code, ConnectError } from "@connectrpc/connect";
import { codeFromString } from "@connectrpc/connect/protocol-connect";
import { PiezaError } from "#core/base/errors.ts";

/**
 * Returns the error that the caller is told for `error`, which a service threw. A PiezaError keeps its code and
 * message; its hint becomes the headers `retry-after` (whole seconds, RFC 9110, 10.2.3) and `retry-after-ms`. An
 * unknown error becomes "internal error" without its text, which may hold secrets; the original is the `cause`, for
 * the log.
 */
export function toConnectError(error: unknown): ConnectError {
  if (error instanceof ConnectError) return error;
  if (error instanceof PiezaError) {
    const code = codeFromString(error.code) ?? Code.Internal;
    return new ConnectError(error.message, code, hint(error.retryAfterMs), undefined, error);
  }
  if (error instanceof Error && error.name === "AbortError") {
    return new ConnectError("the call was cancelled", Code.Canceled, undefined, undefined, error);
  }
  return new ConnectError("internal error", Code.Internal, undefined, undefined, error);
}

function hint(retryAfterMs: number | undefined): Record<string, string> | undefined {
  if (retryAfterMs === undefined) return undefined;
  return {
    "retry-after": String(Math.ceil(retryAfterMs / 1000)),
    "retry-after-ms": String(Math.ceil(retryAfterMs)),
  };
}

import { Code, ConnectError } from "@connectrpc/connect";
import { type ErrorCode, PiezaError } from "#core/base/errors.ts";

const codes: Readonly<Record<ErrorCode, Code>> = {
  invalid_argument: Code.InvalidArgument,
  out_of_range: Code.OutOfRange,
  not_found: Code.NotFound,
  already_exists: Code.AlreadyExists,
  failed_precondition: Code.FailedPrecondition,
  unauthenticated: Code.Unauthenticated,
  permission_denied: Code.PermissionDenied,
  resource_exhausted: Code.ResourceExhausted,
  data_loss: Code.DataLoss,
  unavailable: Code.Unavailable,
  deadline_exceeded: Code.DeadlineExceeded,
  unimplemented: Code.Unimplemented,
  internal: Code.Internal,
};

/**
 * What a caller is told about anything thrown in a service. A PiezaError keeps its code and its words, and its hint
 * becomes `retry-after` (seconds, rounded up, as in HTTP) and `retry-after-ms`. An unknown error says "internal error"
 * and nothing of itself; the original is the cause, for the log.
 */
export function toConnectError(error: unknown): ConnectError {
  if (error instanceof ConnectError) return error;
  if (error instanceof PiezaError) {
    return new ConnectError(error.message, codes[error.code], hint(error.retryAfterMs), undefined, error);
  }
  if (error instanceof Error && error.name === "AbortError") {
    return new ConnectError("the call was ended", Code.Canceled, undefined, undefined, error);
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

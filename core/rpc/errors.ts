import { Code, ConnectError } from "@connectrpc/connect";
import { type ErrorCode, PeerFailed, PiezaError } from "../base/errors.ts";
import { oneLine, retryAfterMsOf } from "./remote-failure.ts";

const codes: Readonly<Partial<Record<number, ErrorCode>>> = {
  [Code.InvalidArgument]: "invalid_argument",
  [Code.OutOfRange]: "out_of_range",
  [Code.NotFound]: "not_found",
  [Code.AlreadyExists]: "already_exists",
  [Code.FailedPrecondition]: "failed_precondition",
  [Code.Unauthenticated]: "unauthenticated",
  [Code.PermissionDenied]: "permission_denied",
  [Code.ResourceExhausted]: "resource_exhausted",
  [Code.DataLoss]: "data_loss",
  [Code.Unavailable]: "unavailable",
  [Code.DeadlineExceeded]: "deadline_exceeded",
  [Code.Unimplemented]: "unimplemented",
  [Code.Internal]: "internal",
};

/**
 * The code of a gRPC status, which is also the library's Code. The statuses of a peer that died (canceled, aborted,
 * unknown: a reset stream, a truncated body, no answer at all) and unknown numbers are "unavailable".
 */
export function errorCodeOf(status: number): ErrorCode {
  return codes[status] ?? "unavailable";
}

/**
 * Codes that keep their meaning when this side made them up: our own limit on silence, a plain HTTP status. Any other
 * code from this side (`internal`, `invalid_argument`, ...) stands for an answer that broke off.
 */
const ownWords: ReadonlySet<Code> = new Set([
  Code.DeadlineExceeded,
  Code.Unimplemented,
  Code.Unauthenticated,
  Code.PermissionDenied,
]);
/** The library's message for an answer over the limit that we set. */
const OVERSIZE = /larger than configured readMaxBytes/;

/** An answer is longer, or announces more, than the request allows. */
export class AnswerTooLong extends PeerFailed {
  constructor(options?: { cause?: unknown }) {
    super("internal", "answered with more bytes than it may", options);
  }
}

/**
 * Converts the error of a failed call to a PiezaError. Callers check their own signal first, so `canceled` here came
 * from the wire and is the other side's failure.
 */
export function toPiezaError(error: unknown): PiezaError {
  if (error instanceof PiezaError) return error;
  const { code, message, retryAfterMs } = read(error);
  return new PiezaError(code, message, { cause: error, retryAfterMs });
}

/** The same for a call to a peer: converts to a PeerFailed. */
export function toPeerFailed(error: unknown): PeerFailed {
  if (error instanceof PeerFailed) return error;
  if (isTooLong(error)) return new AnswerTooLong({ cause: error });
  const { code, message, retryAfterMs } = read(error);
  return new PeerFailed(code, message, { cause: error, retryAfterMs });
}

function read(error: unknown): { code: ErrorCode; message: string; retryAfterMs?: number | undefined } {
  if (error instanceof PiezaError) return error;
  // Our own fetch or stream ended the call; the library wrapped the error.
  if (error instanceof ConnectError && error.cause instanceof PiezaError) return error.cause;
  if (!(error instanceof ConnectError)) return { code: "unavailable", message: oneLine(String(error)) };
  if (isTooLong(error)) return new AnswerTooLong();
  const message = oneLine(error.rawMessage);
  const code = error.isWireError || ownWords.has(error.code) ? errorCodeOf(error.code) : "unavailable";
  return { code, message, retryAfterMs: retryAfterMsOf(code, error.metadata) };
}

/** Our own limit, the library's or our fetch's. From the wire, the same words mean that a request was too long. */
function isTooLong(error: unknown): boolean {
  if (!(error instanceof ConnectError)) return false;
  return error.cause instanceof AnswerTooLong || (!error.isWireError && OVERSIZE.test(error.rawMessage));
}

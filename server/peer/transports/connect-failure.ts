import { type ErrorCode, errorCodes, type PiezaError } from "#core/base/errors.ts";
import { oneLine, retryAfterMsOf } from "#core/rpc/remote-failure.ts";
import type { ResponseHead } from "./http1-response.ts";

/** Bytes of the longest error body that is read. */
export const MAX_ERROR_BYTES = 16 << 10;
const KNOWN_CODES: ReadonlySet<string> = new Set(errorCodes);

/**
 * The error that an answer with another status than 200 means: a Connect error (JSON with code and message) in its
 * body, or only an HTTP status.
 */
export function connectFailure(Failure: typeof PiezaError, head: ResponseHead, body: string): PiezaError {
  const { code = codeOfStatus(head.status), message = `HTTP ${head.status}` } = parse(body);
  return new Failure(code, message, { retryAfterMs: retryAfterMsOf(code, head.headers) });
}

/** The code of an HTTP status by the Connect protocol's table, as far as ErrorCode tells them apart. */
export function codeOfStatus(status: number): ErrorCode {
  if (status === 401) return "unauthenticated";
  if (status === 403) return "permission_denied";
  return status === 404 ? "unimplemented" : "unavailable";
}

function parse(text: string): { code?: ErrorCode; message?: string } {
  try {
    const { code, message } = JSON.parse(text) as { code?: unknown; message?: unknown };
    return {
      // The Connect codes without an ErrorCode (`canceled`, `aborted`, `unknown`) only say that the call failed.
      ...(typeof code === "string" && {
        code: KNOWN_CODES.has(code) ? (code as ErrorCode) : "unavailable",
      }),
      ...(typeof message === "string" && { message: oneLine(message) }),
    };
  } catch {
    return {};
  }
}

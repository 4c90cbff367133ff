import type { ErrorCode } from "#core/base/errors.ts";
import type { ResponseHead } from "./http1-response.ts";

/** Longest error that is worth reading to its end. */
export const MAX_ERROR_BYTES = 16 << 10;
const MAX_MESSAGE_CHARS = 300;
const MAX_RETRY_AFTER_MS = 3_600_000;

const KNOWN_CODES: ReadonlySet<string> = new Set<ErrorCode>([
  "invalid_argument",
  "out_of_range",
  "not_found",
  "already_exists",
  "failed_precondition",
  "unauthenticated",
  "permission_denied",
  "resource_exhausted",
  "data_loss",
  "unavailable",
  "deadline_exceeded",
  "unimplemented",
  "internal",
]);

export interface ConnectFailure {
  readonly code: ErrorCode;
  readonly message: string;
  readonly retryAfterMs?: number;
}

/** What an answer that is not 200 says: a Connect error (JSON with code and message), or only an HTTP status. */
export function connectFailure(head: ResponseHead, body: string): ConnectFailure {
  const { code = codeOfStatus(head.status), message = `HTTP ${head.status}` } = parse(body);
  return { code, message, ...retryHint(code, head.headers) };
}

/** What the headers of a failure say of when to ask again, where its code makes sense of that. */
export function retryHint(
  code: ErrorCode,
  headers: ReadonlyMap<string, string>,
): { readonly retryAfterMs?: number } {
  if (code !== "resource_exhausted" && code !== "unavailable") return {};
  const ms = wholeNumber(headers.get("retry-after-ms"));
  const seconds = wholeNumber(headers.get("retry-after"));
  const hint = ms ?? (seconds === undefined ? undefined : seconds * 1000);
  return hint === undefined ? {} : { retryAfterMs: Math.min(hint, MAX_RETRY_AFTER_MS) };
}

/** Words from outside, for one line of text. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}+/gu, " ").slice(0, MAX_MESSAGE_CHARS);
}

/** As the protocol's table has it where we tell the codes apart. */
export function codeOfStatus(status: number): ErrorCode {
  if (status === 401) return "unauthenticated";
  if (status === 403) return "permission_denied";
  return status === 404 ? "unimplemented" : "unavailable";
}

function parse(text: string): { code?: ErrorCode; message?: string } {
  try {
    const { code, message } = JSON.parse(text) as { code?: unknown; message?: unknown };
    return {
      // What it has no other word for (`canceled`, `aborted`, `unknown`) means that it failed.
      ...(typeof code === "string" && {
        code: KNOWN_CODES.has(code) ? (code as ErrorCode) : "unavailable",
      }),
      ...(typeof message === "string" && {
        message: printable(message),
      }),
    };
  } catch {
    return {};
  }
}

function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : undefined;
}

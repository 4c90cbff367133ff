import type { ErrorCode } from "../base/errors.ts";

const MAX_MESSAGE_CHARS = 300;
const MAX_RETRY_AFTER_MS = 3_600_000;

/** A remote error's message as one line of at most 300 characters: control characters become spaces. */
export function oneLine(text: string): string {
  return text.replace(/\p{Cc}+/gu, " ").slice(0, MAX_MESSAGE_CHARS);
}

/**
 * Milliseconds from `retry-after-ms`, else from `retry-after` in seconds; at most an hour. Undefined without such a
 * header and for codes other than resource_exhausted and unavailable, which a later call would meet again.
 */
export function retryAfterMsOf(
  code: ErrorCode,
  headers: { get(name: string): string | null | undefined },
): number | undefined {
  if (code !== "resource_exhausted" && code !== "unavailable") return undefined;
  const ms = wholeNumber(headers.get("retry-after-ms"));
  const seconds = wholeNumber(headers.get("retry-after"));
  const hint = ms ?? (seconds === undefined ? undefined : seconds * 1000);
  return hint === undefined ? undefined : Math.min(hint, MAX_RETRY_AFTER_MS);
}

function wholeNumber(text: string | null | undefined): number | undefined {
  return text && /^\d{1,10}$/.test(text) ? Number(text) : undefined;
}

/** Bytes that a message may have around the piece in it. */
export const MESSAGE_SLACK_BYTES = 1 << 10;
/** Milliseconds that every call to a peer may take, however small its answer. */
export const CALL_GRACE_MS = 30_000;
const MIN_BYTES_PER_SECOND = 8 << 10;

/** Milliseconds that a call moving so many bytes may take: the grace, and the time that its bytes need at 8 KiB/s. */
export function callDeadlineMs(bytes: number): number {
  return Math.ceil((bytes / MIN_BYTES_PER_SECOND) * 1000) + CALL_GRACE_MS;
}

/** One line of the log: an event and its facts, which are data and never markup. */
export interface LogEvent {
  readonly level: "debug" | "info" | "warn" | "error";
  /** A stable name for programs: "listening", "call_failed". */
  readonly event: string;
  /** The same for people. */
  readonly message: string;
  readonly [fact: string]: unknown;
}

export type Log = (line: LogEvent) => void;

/** The line for an error that was not expected while `subject` was answered. */
export function failure(event: string, subject: string, error: unknown): LogEvent {
  const message = `${subject} failed: ${String(error).slice(0, 500)}`;
  return { level: "error", event, message, stack: error instanceof Error ? error.stack : undefined };
}

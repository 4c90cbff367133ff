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

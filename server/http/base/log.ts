/** One thing that happened, for the log: an event's name and its facts. Values are data, never markup. */
export interface LogEvent {
  readonly level: "debug" | "info" | "warn" | "error";
  /** Stable, for machines: "listening", "call_failed". */
  readonly event: string;
  /** For people. */
  readonly message: string;
  readonly [fact: string]: unknown;
}

export type Log = (line: LogEvent) => void;

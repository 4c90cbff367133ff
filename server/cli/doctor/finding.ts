export type Role = "tracker" | "catalog" | "peer";

/** How servers are looked at. */
export interface LookOptions {
  /** PEM, to trust besides the system's certificates. */
  readonly ca: string | undefined;
  readonly signal: AbortSignal;
}

/** What was looked at. */
export type Check =
  | "server"
  | "tracker"
  | "catalog"
  | "peer"
  | "tls"
  | "cors"
  | "clock"
  | "proxy"
  | "space"
  | "windows"
  | "pieces";

/** One thing that was looked at, and how it is. */
export interface Finding {
  readonly check: Check;
  /** A "problem" keeps something from working at all, a "warning" makes it slow or will become a problem. */
  readonly level: "ok" | "warning" | "problem";
  /** A URL, or a folder. */
  readonly subject: string;
  readonly message: string;
  /** What to do about it; empty if nothing has to be done. */
  readonly advice: string;
}

export function ok(check: Check, subject: string, message: string): Finding {
  return { check, level: "ok", subject, message, advice: "" };
}

export function warning(check: Check, subject: string, message: string, advice: string): Finding {
  return { check, level: "warning", subject, message, advice };
}

export function problem(check: Check, subject: string, message: string, advice: string): Finding {
  return { check, level: "problem", subject, message, advice };
}

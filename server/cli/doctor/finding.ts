/** The kinds of server. */
export type ServerKind = "tracker" | "catalog" | "peer";

export interface CheckOptions {
  /** PEM to trust besides the system's certificates. */
  readonly ca: string | undefined;
  readonly signal: AbortSignal;
}

/** The subjects of checks. */
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
  | "uploads"
  | "pieces";

/** The result of one check. */
export interface Finding {
  readonly check: Check;
  /** A "problem" stops something from working. A "warning" slows it down or will become a problem. */
  readonly level: "ok" | "warning" | "problem";
  /** The URL, folder, file or torrent that was checked. */
  readonly subject: string;
  readonly message: string;
  /** How to fix it; empty for "ok". */
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

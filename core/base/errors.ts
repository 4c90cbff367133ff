/** The kind of a failure, which decides what the caller does. gRPC's names, as every edge sends one in the end. */
export type ErrorCode =
  | "invalid_argument"
  | "out_of_range"
  | "not_found"
  | "already_exists"
  | "failed_precondition"
  | "unauthenticated"
  | "permission_denied"
  | "resource_exhausted"
  | "data_loss"
  | "unavailable"
  | "deadline_exceeded"
  | "unimplemented"
  | "internal";

/** A failure of the domain. Its message may be shown to anyone: it holds no path, no stack and no secret. */
export class PiezaError extends Error {
  readonly code: ErrorCode;
  /** Milliseconds after which a retry may succeed; only with `resource_exhausted` and `unavailable`. */
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown; retryAfterMs?: number }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.retryAfterMs = options?.retryAfterMs;
  }
}

/** Bad input from outside. `field` names the faulty place, as in `pieces[3].hash`. */
export class InvalidField extends PiezaError {
  readonly field: string;

  constructor(field: string, problem: string, options?: { cause?: unknown }) {
    super("invalid_argument", `${field}: ${problem}`, options);
    this.field = field;
  }
}

/** A peer sent bytes that are not the piece: a wrong hash, too few bytes or too many. The download bans the peer. */
export class WrongPiece extends PiezaError {
  constructor(message: string, options?: { cause?: unknown }) {
    super("data_loss", message, options);
  }
}

/** A peer failed in any other way; `code` is the peer's own. The download backs off and asks another peer. */
export class PeerFailed extends PiezaError {}

/** This machine's disk or OPFS failed. The download stops and tells the person. */
export class StoreFailed extends PiezaError {
  /** True if no space is left; false for a broken or forbidden disk. */
  readonly noSpace: boolean;

  constructor(message: string, options: { cause?: unknown; noSpace?: boolean } = {}) {
    super(options.noSpace ? "resource_exhausted" : "internal", message, options);
    this.noSpace = options.noSpace ?? false;
  }
}

/** The cause of a failure in one word, for callers that phrase or translate it: by its class, else by its code. */
export type Trouble = ErrorCode | "wrong_piece" | "storage_full" | "storage_failed";

export function troubleOf(error: unknown): Trouble {
  if (error instanceof WrongPiece) return "wrong_piece";
  if (error instanceof StoreFailed) return error.noSpace ? "storage_full" : "storage_failed";
  return error instanceof PiezaError ? error.code : "internal";
}

/** The message of any thrown value, for a line of text. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * Whose fault a failure is, and so what the caller does about it. The names follow gRPC's codes, because every edge
 * has to say them on the wire in the end; the classes below add what a download reacts to.
 */
export const errorCodes = [
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
] as const;
export type ErrorCode = (typeof errorCodes)[number];

/** A failure in the domain's words. Its message may be shown to anyone: no path, no stack, no secret. */
export class PiezaError extends Error {
  readonly code: ErrorCode;
  /** Milliseconds after which asking again may help; only with `resource_exhausted` and `unavailable`. */
  readonly retryAfterMs: number | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    options?: { cause?: unknown; retryAfterMs?: number | undefined },
  ) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.retryAfterMs = options?.retryAfterMs;
  }
}

/** Bad input from outside; `field` names what is wrong, as in `pieces[3].hash`. */
export class InvalidField extends PiezaError {
  readonly field: string;

  constructor(field: string, problem: string, options?: { cause?: unknown }) {
    super("invalid_argument", `${field}: ${problem}`, options);
    this.field = field;
  }
}

/** A peer sent bytes that are not the piece: wrong hash, short, long or endless. Reaction: ban the peer. */
export class WrongPiece extends PiezaError {
  constructor(message: string, options?: { cause?: unknown }) {
    super("data_loss", message, options);
  }
}

/** A peer failed in any other way. Reaction: back off, ask another. The code says what it said. */
export class PeerFailed extends PiezaError {}

/** The disk (or OPFS) failed, ours, not a peer's. Reaction: stop the download and tell the person. */
export class StoreFailed extends PiezaError {
  /** No space is left, as opposed to a broken or forbidden disk. */
  readonly noSpace: boolean;

  constructor(message: string, options: { cause?: unknown; noSpace?: boolean } = {}) {
    super(options.noSpace ? "resource_exhausted" : "internal", message, options);
    this.noSpace = options.noSpace ?? false;
  }
}

/**
 * What a failure comes down to, for whoever tells of it in words of their own or in another language: what its class
 * says, else its code.
 */
export type Trouble = ErrorCode | "wrong_piece" | "storage_full" | "storage_failed";

export function troubleOf(error: unknown): Trouble {
  if (error instanceof WrongPiece) return "wrong_piece";
  if (error instanceof StoreFailed) return error.noSpace ? "storage_full" : "storage_failed";
  return error instanceof PiezaError ? error.code : "internal";
}

/** The message of anything thrown, for a line of text. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

import { type ErrorCode, PiezaError, StoreFailed } from "#core/base/errors.ts";

/** The exit codes of the process. Scripts rely on them. */
export const ExitCode = {
  DONE: 0,
  /** Any failure without a code of its own. */
  FAILED: 1,
  /** Wrong usage, a bad input file, or a name that is already used. */
  USAGE: 2,
  /** No such torrent or catalog entry. */
  NOT_FOUND: 3,
  /** No peer had the missing pieces until --give-up-after ran out. */
  GAVE_UP: 4,
  /** `verify` found bytes that do not match the torrent. */
  VERIFY_FAILED: 5,
  /** No space, no permission, or a disk error. */
  DISK: 6,
  /** Tracker or catalog out of reach. */
  UNREACHABLE: 7,
  /** The token is missing or wrong. */
  REFUSED: 8,
  INTERRUPTED: 130,
  /** The reader of the output has left, as in `| head`: the code that shells give to SIGPIPE. */
  READER_LEFT: 141,
} as const;

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** An error with an exit code. The user reads its message. */
export class CliError extends Error {
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
    this.exitCode = exitCode;
  }
}

/** The user asked for something impossible: exit code 2. */
export class UsageError extends CliError {
  constructor(message: string, options?: { cause?: unknown }) {
    super(ExitCode.USAGE, message, options);
  }
}

/**
 * A signal ended the run. A server that SIGTERM stops does not throw this; it exits with 0. Node hides SIGPIPE and
 * fails the write instead, which counts as that signal here.
 */
export class Interrupted extends CliError {
  readonly signal: NodeJS.Signals;

  constructor(signal: NodeJS.Signals) {
    super(signal === "SIGPIPE" ? ExitCode.READER_LEFT : ExitCode.INTERRUPTED, "interrupted");
    this.signal = signal;
  }
}

const byErrorCode: Partial<Record<ErrorCode, ExitCode>> = {
  invalid_argument: ExitCode.USAGE,
  out_of_range: ExitCode.USAGE,
  already_exists: ExitCode.USAGE,
  not_found: ExitCode.NOT_FOUND,
  unavailable: ExitCode.UNREACHABLE,
  deadline_exceeded: ExitCode.UNREACHABLE,
  unauthenticated: ExitCode.REFUSED,
  permission_denied: ExitCode.REFUSED,
};

const noSuchInput = /^(ENOENT|ENOTDIR|EISDIR|ENAMETOOLONG)$/;
const diskFailed = /^(ENOSPC|EDQUOT|EFBIG|EROFS|EACCES|EPERM|EIO|EMFILE|ENFILE)$/;

/** The exit code for any error. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CliError) return error.exitCode;
  if (error instanceof StoreFailed) return ExitCode.DISK;
  if (error instanceof PiezaError) return byErrorCode[error.code] ?? ExitCode.FAILED;
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (syscall === "listen" || typeof code !== "string") return ExitCode.FAILED;
  if (noSuchInput.test(code)) return ExitCode.USAGE;
  return diskFailed.test(code) ? ExitCode.DISK : ExitCode.FAILED;
}

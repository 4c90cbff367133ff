import { messageOf } from "#core/base/errors.ts";
import type { LogEvent } from "../../http/base/log.ts";
import { exitCodeOf } from "./exit-code.ts";
import type { Canvas, PictureLine } from "./progress-lines.ts";
import { printable, printableJson, withoutCredentials } from "./units.ts";

/**
 * The events of `--json`, one JSON object on each line. Scripts read them, so fields may be added, but no field
 * changes its meaning. Lengths are in bytes, times in milliseconds, rates in bytes per second. Servers also print
 * their log, whose lines have a `level`.
 */
export interface Events {
  /** A server is ready at `url`. */
  listening: { verb: string; url: string; pid: number };
  /** A part of a peer that has no URL is running. */
  working: { verb: string; role: string; pid: number };
  /** `up` has started everything. */
  ready: {
    page: string;
    catalog: string;
    tracker: string;
    gateway: string;
    /** The content URL of one of the demo's files. */
    content: string;
    peers: readonly { url: string; pid: number }[];
  };
  /** `create` or `seed` made a torrent. */
  created: {
    file: string | undefined;
    info_hash: string;
    file_name: string;
    length: number;
    total_pieces: number;
  };
  published: { name: string; info_hash: string; catalog: string; changed: boolean };
  removed: { name: string; catalog: string };
  /** This peer serves a path. */
  seeding: { path: string; info_hash: string; held_pieces: number; total_pieces: number };
  /** The result of an announce; `reason` says why it failed or why the tracker does not list this peer. */
  announced: { tracker: string; listed: boolean; url: string; reason: string };
  /** One torrent of `ls` or `info`, with the fields of the torrent's JSON; `ls` omits `pieces`. */
  torrent: Record<string, unknown>;
  /** The peers and copies of a torrent (`status`). */
  swarm: Record<string, unknown>;
  /** How far the hashing of a file or folder is, at most twice a second. */
  hashing: { path: string; hashed_bytes: number; total_bytes: number };
  /** A download's state, at most twice a second. */
  progress: {
    info_hash: string;
    state: string;
    reason: string;
    held_pieces: number;
    total_pieces: number;
    held_bytes: number;
    total_bytes: number;
    rate: number;
    eta_ms: number | null;
    peers: number;
  };
  /** One peer of a swarm (`peers`), or a change of a download's peer (`get`). */
  peer: Record<string, unknown>;
  /** The account of a download (`explain`); events for its peers and pieces follow. */
  explained: Record<string, unknown>;
  /** One piece of a download (`explain`). */
  piece: Record<string, unknown>;
  /** One recorded download (`status`). */
  download: Record<string, unknown>;
  /** The result of one check of `doctor`; `level` is ok, warning or problem. */
  finding: { check: string; level: string; subject: string; message: string; advice: string };
  completions: { shell: string; script: string };
  version: { version: string };
  /** What --help prints for people. */
  help: { text: string };
  /** The verb has succeeded. */
  done: Record<string, unknown>;
  /** `verify` found a wrong piece or file. */
  mismatch: { number: number; expected: string; found: string | null };
  warning: { message: string };
  /** The last line of a verb that failed; `code` is that of PiezaError or of the system. */
  error: { code: string; message: string; exit_code: number };
}

export interface OutputOptions {
  json: boolean;
  quiet: boolean;
  verbose: boolean;
  /** The end of an error's message, which says what helps. Default: none. */
  adviceOn?: (error: unknown) => string;
  /** Receives results and events. */
  stdout: TextStream;
  /** Receives notes, warnings, progress and errors. */
  stderr: TextStream;
}

type TextStream = NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };

/**
 * Prints lines for people, or with --json events for scripts. All text passes `printable` or `printableJson` here, so
 * that nothing from outside reaches the terminal as anything but text, and no password of a URL does.
 */
export class Output {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly #adviceOn: (error: unknown) => string;
  #stdout: TextStream;
  readonly #stderr: TextStream;
  /** The height of the picture that is on the terminal now, below all printed lines. */
  #drawnLines = 0;

  constructor(options: OutputOptions) {
    this.json = options.json;
    this.quiet = options.quiet;
    this.verbose = options.verbose;
    this.#adviceOn = options.adviceOn ?? (() => "");
    this.#stdout = options.stdout;
    this.#stderr = options.stderr;
  }

  /** Sends results and events to standard error from now on, because a file goes to standard output. */
  freeStdout(): void {
    this.#stdout = this.#stderr;
  }

  /** Prints an event for scripts, or `lines` for people unless --quiet is given. */
  event<Name extends keyof Events>(name: Name, fields: Events[Name], ...lines: string[]): void {
    if (this.json) this.#stdout.write(`${printableJson({ event: name, ...fields })}\n`);
    else if (!this.quiet) this.#print(this.#stdout, lines);
  }

  /** Prints a result that the user asked for: an event for scripts, or `lines` for people even with --quiet. */
  result<Name extends keyof Events>(name: Name, fields: Events[Name], ...lines: string[]): void {
    if (this.json) this.event(name, fields);
    else this.#print(this.#stdout, lines);
  }

  /** Prints lines of a result for people only, such as a table. */
  text(...lines: string[]): void {
    if (!this.json) this.#print(this.#stdout, lines);
  }

  /** Prints a line for people to standard error, unless --quiet is given. */
  note(line: string): void {
    if (!this.json && !this.quiet) this.#print(this.#stderr, [line]);
  }

  /** Like `note`, but only with --verbose. */
  detail(line: string): void {
    if (this.verbose) this.note(line);
  }

  warn(message: string): void {
    if (this.json) this.event("warning", { message });
    else if (!this.quiet) this.#print(this.#stderr, [`pieza: warning: ${message}`]);
  }

  /** Whether standard error is a terminal on which a picture can be redrawn. */
  get terminal(): boolean {
    return this.#stderr.isTTY === true && process.env.TERM !== "dumb";
  }

  /** Draws a picture of several lines in place of the previous one. */
  draw(picture: (canvas: Canvas) => readonly PictureLine[]): void {
    const lines = picture({
      // A terminal that does not know its width says 0.
      columns: this.#stderr.columns || 80,
      colour: !process.env.NO_COLOR,
    });
    this.#stderr.write(`${eraser(this.#drawnLines)}${lines.map((line) => `${painted(line)}\n`).join("")}`);
    this.#drawnLines = lines.length;
  }

  /** Removes the picture. */
  erase(): void {
    this.#stderr.write(eraser(this.#drawnLines));
    this.#drawnLines = 0;
  }

  /** Prints a line of a server's log: warnings, errors and requested pieces; with --verbose every line. */
  log(line: LogEvent): void {
    const { level, event, message } = line;
    const matters = level === "warn" || level === "error" || event === "piece_request";
    if (!matters && !this.verbose) return;
    if (this.json) this.#stdout.write(`${printableJson(line)}\n`);
    else if (event === "piece_request") this.#print(this.#stderr, [printableJson(line)]);
    else if (!this.quiet || level === "error") this.#print(this.#stderr, [`${level}: ${message}`]);
  }

  error(error: unknown): void {
    const message = `${withPath(messageOf(error), error)}${this.#adviceOn(error)}`;
    const code = codeOf(error);
    if (this.json) this.event("error", { code, message, exit_code: exitCodeOf(error) });
    else
      this.#print(this.#stderr, [
        ...`pieza: ${message}`.split("\n"),
        ...(this.verbose ? causesOf(error) : []),
      ]);
  }

  #print(stream: TextStream, lines: readonly string[]): void {
    if (this.#drawnLines > 0) this.erase();
    for (const line of lines) stream.write(`${printable(withoutCredentials(line))}\n`);
  }
}

/** The message with the path of the file or folder that the system refused, unless the message has it already. */
function withPath(message: string, error: unknown): string {
  const path = pathOf(error);
  return path === undefined || message.includes(path) ? message : `${message} (${path})`;
}

function pathOf(error: unknown): string | undefined {
  const { path, cause } = error as { path?: unknown; cause?: unknown };
  if (typeof path === "string" && path !== "") return path;
  return cause instanceof Error ? pathOf(cause) : undefined;
}

/** The code of the error or of the nearest cause that has one, else "error". */
function codeOf(error: unknown): string {
  const { code, cause } = error as { code?: unknown; cause?: unknown };
  return typeof code === "string" ? code : cause instanceof Error ? codeOf(cause) : "error";
}

/** A line of a picture for the terminal: all its text printable, and in its colours. */
function painted(line: PictureLine): string {
  const parts = typeof line === "string" ? [line] : line;
  return parts
    .map((part) =>
      typeof part === "string"
        ? printable(withoutCredentials(part))
        : `\x1b[38;5;${part.colour}m${printable(part.text)}\x1b[39m`,
    )
    .join("");
}

/** The escape sequence that moves up `lines` lines and clears the rest of the screen. */
function eraser(lines: number): string {
  return lines === 0 ? "" : `\x1b[${lines}A\x1b[0J`;
}

function causesOf(error: unknown): string[] {
  const lines: string[] = [];
  for (let cause = (error as Error).cause; cause !== undefined; cause = (cause as Error).cause) {
    lines.push(`  because: ${messageOf(cause)}`);
  }
  return lines;
}

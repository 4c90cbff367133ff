import { messageOf } from "#core/base/errors.ts";
import type { LogEvent } from "../../http/base/log.ts";
import { exitCodeOf } from "./exit-code.ts";
import type { Canvas } from "./progress-lines.ts";
import { printable } from "./units.ts";

/**
 * The events of `--json`, one object a line. Scripts read them: a field is added now and then, none changes its meaning.
 * Lengths are bytes, times milliseconds, rates bytes per second. Besides these there are the lines of a server's log,
 * which have a `level`.
 */
export interface Events {
  /** A server answers at `url`. */
  listening: { verb: string; url: string; pid: number };
  /** A part of a peer runs that has no URL. */
  working: { verb: string; role: string; pid: number };
  /** `up` has started all of it. */
  ready: { page: string; catalog: string; tracker: string; peers: readonly { url: string; pid: number }[] };
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
  /** A peer of ours serves a path. */
  seeding: { path: string; info_hash: string; held_pieces: number; total_pieces: number };
  /** What a tracker makes of our peer; `reason` says why it failed or does not list us. */
  announced: { tracker: string; listed: boolean; url: string; reason: string };
  /** One torrent of `ls` or `info`; in the form of the torrent's JSON, `pieces` left out by `ls`. */
  torrent: Record<string, unknown>;
  /** A torrent's peers and copies, of `status`. */
  swarm: Record<string, unknown>;
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
  /** What a download was like (`explain`); its peers and its pieces follow. */
  explained: Record<string, unknown>;
  /** One piece of a download that is explained. */
  piece: Record<string, unknown>;
  /** One download that is remembered (`status`). */
  download: Record<string, unknown>;
  /** One thing that `doctor` looked at; `level` is ok, warning or problem. */
  finding: { check: string; level: string; subject: string; message: string; advice: string };
  completions: { shell: string; script: string };
  /** What the verb was asked for has been done. */
  done: Record<string, unknown>;
  /** `verify` found a wrong piece or file. */
  mismatch: { number: number; expected: string; found: string | null };
  warning: { message: string };
  /** The last line of a verb that failed; `code` is the domain's or the system's word, `exit_code` is what the process ends with. */
  error: { code: string; message: string; exit_code: number };
}

export interface OutputOptions {
  json: boolean;
  quiet: boolean;
  verbose: boolean;
  /** Results and events. */
  stdout: TextStream;
  /** Everything said on the way. */
  stderr: TextStream;
}

type TextStream = NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };

/** Says things to the person, or as events to the script that runs us. */
export class Output {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  #stdout: TextStream;
  readonly #stderr: TextStream;
  /** Lines of the picture that stands on the terminal now, below everything printed. */
  #drawnLines = 0;

  constructor(options: OutputOptions) {
    this.json = options.json;
    this.quiet = options.quiet;
    this.verbose = options.verbose;
    this.#stdout = options.stdout;
    this.#stderr = options.stderr;
  }

  /** Standard output carries a file from now on: results and events go to standard error. */
  freeStdout(): void {
    this.#stdout = this.#stderr;
  }

  /** An event for scripts, or `lines` for people (nothing with --quiet). */
  event<Name extends keyof Events>(name: Name, fields: Events[Name], ...lines: string[]): void {
    if (this.json) this.#stdout.write(`${JSON.stringify({ event: name, ...fields })}\n`);
    else if (!this.quiet) this.#print(this.#stdout, lines);
  }

  /** What was asked for: lines for people even with --quiet, or an event for scripts. */
  result<Name extends keyof Events>(name: Name, fields: Events[Name], ...lines: string[]): void {
    if (this.json) this.event(name, fields);
    else this.#print(this.#stdout, lines);
  }

  /** Lines for people only, and only results: a table's head, for example. */
  text(...lines: string[]): void {
    if (!this.json) this.#print(this.#stdout, lines);
  }

  /** Said on the way, for people only. */
  note(line: string): void {
    if (!this.json && !this.quiet) this.#print(this.#stderr, [line]);
  }

  /** As `note`, with --verbose only. */
  detail(line: string): void {
    if (this.verbose) this.note(line);
  }

  warn(message: string): void {
    if (this.json) this.event("warning", { message });
    else if (!this.quiet) this.#print(this.#stderr, [`pieza: warning: ${message}`]);
  }

  /** Standard error is a terminal, so a picture can be drawn and drawn again. */
  get terminal(): boolean {
    return this.#stderr.isTTY === true && process.env.TERM !== "dumb";
  }

  /** Draws a picture of some lines in the place of the one before. */
  draw(picture: (canvas: Canvas) => readonly string[]): void {
    const lines = picture({
      columns: this.#stderr.columns ?? 80,
      colour: !process.env.NO_COLOR,
    });
    this.#stderr.write(`${eraser(this.#drawnLines)}${lines.map((line) => `${line}\n`).join("")}`);
    this.#drawnLines = lines.length;
  }

  /** Takes the picture away. */
  erase(): void {
    this.#stderr.write(eraser(this.#drawnLines));
    this.#drawnLines = 0;
  }

  /** A server's log: warnings and errors, with --verbose everything; of requests, those that were asked for. */
  log(line: LogEvent): void {
    const { level, event, message } = line;
    const matters = level === "warn" || level === "error" || event === "piece_request";
    if (!matters && !this.verbose) return;
    if (this.json) this.#stdout.write(`${JSON.stringify(line)}\n`);
    else if (event === "piece_request") this.#print(this.#stderr, [JSON.stringify(line)]);
    else if (!this.quiet || level === "error") this.#print(this.#stderr, [`${level}: ${message}`]);
  }

  error(error: unknown): void {
    const message = messageOf(error);
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
    for (const line of lines) stream.write(`${printable(line)}\n`);
  }
}

/** The domain's code, else the system's, of the error or of what caused it. */
function codeOf(error: unknown): string {
  const { code, cause } = error as { code?: unknown; cause?: unknown };
  return typeof code === "string" ? code : cause instanceof Error ? codeOf(cause) : "error";
}

/** Moves up over so many lines and clears from there to the end of the screen. */
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

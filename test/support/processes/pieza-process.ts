import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** One line of `--json` output or of a log. */
export type JsonLine = Readonly<Record<string, unknown>>;

const entry = fileURLToPath(new URL("../../../server/cli/pieza.js", import.meta.url));

/** A `pieza` of its own, started as a person would, listened to by its JSON lines. */
export class PiezaProcess {
  readonly lines: JsonLine[] = [];
  /** Resolves when the process is gone: its exit code, or null after a signal. */
  readonly exit: Promise<number | null>;
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #waiting = new Set<() => void>();
  #text = "";

  /**
   * `within`: the command that runs it, such as `ip netns exec host`; it has to become the process. `entry`: another
   * `pieza` than the checkout's.
   */
  constructor(
    args: readonly string[],
    options: { cwd: string; env?: NodeJS.ProcessEnv; within?: readonly string[]; entry?: string },
  ) {
    this.#name = `pieza ${args.join(" ")}`;
    const [program, ...rest] = [...(options.within ?? []), process.execPath, options.entry ?? entry, ...args];
    this.#child = spawn(program!, rest, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      createInterface({ input: stream }).on("line", (line) => this.#onLine(line));
    }
    this.exit = once(this.#child, "close").then(([code]) => {
      this.#wake();
      return code as number | null;
    });
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** Everything printed so far, for the message of a failed test. */
  get text(): string {
    return this.#text;
  }

  /** Resolves with the first line, printed already or yet to come, that fits. */
  async line(what: string, fits: (line: JsonLine) => boolean, timeoutMs = 60_000): Promise<JsonLine> {
    await this.until(what, () => this.lines.some(fits), timeoutMs);
    return this.lines.find(fits)!;
  }

  /** Resolves once `holds` does, looked at after every line. Fails when the process ends first. */
  until(what: string, holds: () => boolean, timeoutMs = 60_000): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (error?: Error) => {
        clearTimeout(timer);
        this.#waiting.delete(look);
        error ? reject(error) : resolve();
      };
      const fail = (why: string) => settle(new Error(`${this.#name}: ${why} before ${what}\n${this.#text}`));
      const look = () => {
        if (holds()) settle();
        else if (this.#child.exitCode !== null || this.#child.signalCode !== null) fail("ended");
      };
      const timer = setTimeout(() => fail(`${timeoutMs} ms passed`), timeoutMs);
      this.#waiting.add(look);
      look();
    });
  }

  /** The URL of a server, once it listens. */
  async url(): Promise<string> {
    const { url } = await this.line("listening", (line) => line.event === "listening");
    return String(url);
  }

  /** Resolves with the exit code; fails, and kills, when that takes longer. */
  async finished(timeoutMs: number): Promise<number | null> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        this.kill("SIGKILL");
        reject(new Error(`${this.#name}: still running after ${timeoutMs} ms\n${this.#text}`));
      }, timeoutMs);
    });
    return Promise.race([this.exit, late]).finally(() => clearTimeout(timer));
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.kill("SIGKILL");
    await this.exit;
  }

  #onLine(line: string): void {
    this.#text += `${line}\n`;
    try {
      const value: unknown = JSON.parse(line);
      if (typeof value === "object" && value !== null) this.lines.push(value as JsonLine);
    } catch {
      // Not every line is JSON; all of them are in `text`.
    }
    this.#wake();
  }

  #wake(): void {
    for (const look of this.#waiting) look();
  }
}

import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of the checkout, with a final slash. */
export const root = fileURLToPath(new URL("..", import.meta.url));

export interface CommandResult {
  readonly ok: boolean;
  /** The program was killed because it took longer than `limitMs`. */
  readonly late: boolean;
  /** Standard output and standard error; empty with `show`. */
  readonly output: string;
  readonly seconds: number;
}

export interface CommandOptions {
  /** The working directory; default: that of the checkout. */
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Sends the output to the terminal instead of collecting it. */
  readonly show?: boolean;
  /** Kills the program and everything that it started after this time. Default: never. */
  readonly limitMs?: number;
}

/** Runs a program to its end. A program that cannot be started has failed. */
export function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const started = performance.now();
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: options.cwd ?? root,
      env: options.env ?? process.env,
      // A process group of its own can be killed as a whole.
      detached: options.limitMs !== undefined,
      stdio: ["ignore", options.show ? "inherit" : "pipe", options.show ? "inherit" : "pipe"],
    });
    let output = "";
    let late = false;
    const timer =
      options.limitMs &&
      setTimeout(() => {
        late = true;
        if (child.pid) process.kill(-child.pid, "SIGKILL");
      }, options.limitMs);
    const finish = (ok: boolean) => {
      clearTimeout(timer);
      resolve({ ok, late, output, seconds: (performance.now() - started) / 1000 });
    };
    child.stdout?.setEncoding("utf8").on("data", (text: string) => (output += text));
    child.stderr?.setEncoding("utf8").on("data", (text: string) => (output += text));
    child.on("error", (error) => {
      output += `${error.message}\n`;
      finish(false);
    });
    child.on("close", (code) => finish(code === 0));
  });
}

/** Calls `use` with a new temporary folder and deletes the folder afterwards. */
export async function inTemporaryFolder<T>(prefix: string, use: (path: string) => Promise<T>): Promise<T> {
  const path = await mkdtemp(join(tmpdir(), prefix));
  try {
    return await use(path);
  } finally {
    await rm(path, { recursive: true, force: true });
  }
}

/** Whether Node was started with this file. */
export function isMain(filename: string): boolean {
  return process.argv[1] === filename;
}

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

/** The checkout's top folder, with a trailing slash. */
export const root = fileURLToPath(new URL("..", import.meta.url));

export interface CommandResult {
  readonly ok: boolean;
  /** It was ended because it took too long. */
  readonly late: boolean;
  /** Standard output and standard error together; empty when they were shown. */
  readonly output: string;
  readonly seconds: number;
}

export interface CommandOptions {
  /** Where it runs; the checkout's top by default. */
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Pass the output straight on to the terminal, instead of collecting it. */
  readonly show?: boolean;
  /** Ends it and all that it started after so long. Default: never. */
  readonly limitMs?: number;
}

/** Runs a program to its end. A program that cannot be started counts as one that failed. */
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
      // A group of its own can be ended with everything in it.
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

/** Whether this file is the one that Node was started with. */
export function isMain(filename: string): boolean {
  return process.argv[1] === filename;
}

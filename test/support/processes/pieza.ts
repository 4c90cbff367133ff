import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { JsonLine } from "./pieza-process.ts";

const entry = fileURLToPath(new URL("../../../server/cli/pieza.js", import.meta.url));

export interface Ran {
  /** Null after a signal that it did not handle. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The lines of standard output that are JSON. */
  readonly events: readonly JsonLine[];
}

export interface RunOptions {
  readonly cwd?: string;
  /** Written to standard input, which is closed then. */
  readonly input?: string;
  /** PIEZA_ variables; those of whoever runs the tests are not passed on. */
  readonly env?: NodeJS.ProcessEnv;
  /** Ends it with SIGKILL when it takes longer; then `code` is null. Default 30,000. */
  readonly timeoutMs?: number;
}

/** Runs a verb to its end, as a script would: no terminal. */
export function pieza(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const child = spawn(process.execPath, [entry, ...args], {
    cwd: options.cwd,
    env: { ...foreignVariables(), ...options.env },
    timeout: options.timeoutMs ?? 30_000,
    killSignal: "SIGKILL",
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text) => {
    stderr += text;
  });
  child.stdin.on("error", () => {}).end(options.input ?? "");
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, stdout, stderr, events: eventsIn(stdout) }));
  });
}

function foreignVariables(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("PIEZA_")));
}

function eventsIn(text: string): JsonLine[] {
  const lines = text.split("\n").filter((line) => line.startsWith("{") && line.endsWith("}"));
  return lines.map((line) => JSON.parse(line) as JsonLine);
}

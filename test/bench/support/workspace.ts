import { type ChildProcess, spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** A program and its arguments. */
export type Command = readonly string[];

/** A process that the bench has started and listens to. */
export interface Running {
  readonly pid: number;
  /** Resolves with the next line, of standard output or standard error, that fits. */
  nextLine(fits: RegExp, timeoutMs?: number): Promise<RegExpExecArray>;
  /** Resolves with the exit code, null after a signal. */
  readonly exit: Promise<number | null>;
  /** Ends it at once. */
  stop(): Promise<void>;
}

/** What a process cost from its start to its end, children that it waited for included. */
export interface Cost {
  readonly wallSeconds: number;
  /** User and system. */
  readonly cpuSeconds: number;
  /** Of the largest of its processes. */
  readonly peakRssBytes: number;
}

/** No single run takes so long; one that does hangs. */
const RUN_TIMEOUT_MS = 15 * 60_000;
const READY_TIMEOUT_MS = 120_000;

/** A temporary folder and the processes that a bench has started; both are gone after `close`. */
export class Workspace {
  readonly folder: string;
  readonly #children = new Set<ChildProcess>();
  readonly #closers: (() => Promise<void>)[] = [];
  #reports = 0;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** Runs `work` in a workspace of its own, which is closed afterwards, and when a signal ends the bench. */
  static async use(parent: string, work: (workspace: Workspace) => Promise<void>): Promise<void> {
    const workspace = new Workspace(await mkdtemp(join(parent, "pieza-bench-")));
    const onSignal = () => workspace.#abandon();
    process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
    try {
      await work(workspace);
    } finally {
      await workspace.close();
      process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
    }
  }

  path(...names: string[]): string {
    return join(this.folder, ...names);
  }

  /** Calls `close` when the workspace is closed. */
  onClose(close: () => Promise<void>): void {
    this.#closers.push(close);
  }

  /** Starts a process that goes on until it is stopped. */
  start(command: Command): Running {
    const child = this.#spawn(command, "pipe");
    const lines = [child.stdout!, child.stderr!].map((input) => createInterface({ input }));
    let last = "";
    const exit = new Promise<number | null>((resolve) => child.once("close", resolve));
    const nextLine = (fits: RegExp, timeoutMs = READY_TIMEOUT_MS) =>
      new Promise<RegExpExecArray>((resolve, reject) => {
        const settle = (found: RegExpExecArray | null, why = "") => {
          clearTimeout(timer);
          for (const source of lines) source.off("line", look);
          found ? resolve(found) : reject(new Error(`${command.join(" ")}: ${why} before ${fits}\n${last}`));
        };
        const look = (line: string) => {
          last = line;
          const found = fits.exec(line);
          if (found) settle(found);
        };
        const timer = setTimeout(() => settle(null, `${timeoutMs} ms passed`), timeoutMs);
        for (const source of lines) source.on("line", look);
        void exit.then(() => settle(null, "ended"));
      });
    const stop = async () => {
      killGroup(child);
      await exit;
    };
    return { pid: child.pid!, nextLine, exit, stop };
  }

  /** Runs a command to its end, and fails unless it ends well and in time. */
  async run(command: Command, timeoutMs = RUN_TIMEOUT_MS): Promise<Cost> {
    const report = this.path(`time-${++this.#reports}.txt`);
    const started = performance.now();
    const child = this.#spawn(["/usr/bin/time", "-q", "-f", "%U %S %M", "-o", report, ...command], "ignore");
    let wallSeconds = 0;
    child.once("exit", () => {
      wallSeconds = (performance.now() - started) / 1000;
    });
    const errors = collect(child);
    let end = "";
    const timer = setTimeout(() => {
      end = ` in ${timeoutMs} ms`;
      killGroup(child);
    }, timeoutMs);
    const code = await new Promise((resolve) => child.once("close", resolve));
    clearTimeout(timer);
    if (code !== 0) throw new Error(`${command.join(" ")} did not end well${end} (${code})\n${errors()}`);
    const [user, system, peakKiB] = (await readFile(report, "utf8")).split(" ").map(Number);
    return { wallSeconds, cpuSeconds: user! + system!, peakRssBytes: peakKiB! * 1024 };
  }

  async close(): Promise<void> {
    const children = [...this.#children];
    const gone = children.map((child) => new Promise((resolve) => child.once("close", resolve)));
    for (const child of children) killGroup(child);
    await Promise.all(gone);
    for (const close of this.#closers) await close();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Ends the bench in this very moment, so that it starts nothing more. */
  #abandon(): never {
    for (const child of this.#children) killGroup(child);
    // What is being killed may still hold the folder for a moment.
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    process.exit(130);
  }

  /** In a process group of its own, so that its children end with it and Ctrl-C is ours to handle. */
  #spawn([program, ...args]: Command, stdout: "pipe" | "ignore"): ChildProcess {
    const child = spawn(program!, args, {
      cwd: this.folder,
      env: foreignVariables(),
      stdio: ["ignore", stdout, "pipe"],
      detached: true,
    });
    this.#children.add(child);
    child.once("error", () => this.#children.delete(child));
    child.once("close", () => this.#children.delete(child));
    return child;
  }
}

/** Those of whoever runs the bench without what would configure a pieza. */
function foreignVariables(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("PIEZA_")));
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // Gone already.
  }
}

/** The end of what a process says on standard error. */
function collect(child: ChildProcess): () => string {
  let text = "";
  child.stderr!.setEncoding("utf8").on("data", (more: string) => {
    text = (text + more).slice(-4_000);
  });
  child.once("error", (error) => {
    text += error.message;
  });
  return () => text;
}

/** A port of the loopback that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

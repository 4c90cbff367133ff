import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { within } from "../deadline.ts";
import { debianRoot } from "./cached.ts";

const run = promisify(execFile);

/**
 * A booted Debian 13 with systemd as its first process, a loopback of its own and no other network. What it writes
 * vanishes with it. Needs root, mmdebstrap and systemd-nspawn.
 */
export class BootedDebian {
  /** systemd of that machine. */
  readonly #leader: string;
  readonly #container: ChildProcess;

  private constructor(container: ChildProcess, leader: string) {
    this.#container = container;
    this.#leader = leader;
  }

  /** Boots it with this folder of the host as its /usr/local. */
  static async boot(usrLocal: string): Promise<BootedDebian> {
    const include = "--include=systemd,systemd-sysv,libstdc++6";
    const base = await debianRoot("trixie-1", "--variant=essential", include);
    const bound = [`--bind=${usrLocal}:/usr/local`, "--private-network", "--volatile=overlay"];
    const alone = ["--register=no", "--keep-unit", "--console=pipe", "--quiet"];
    const container = spawn("systemd-nspawn", [...alone, ...bound, "--directory", base, "--boot"], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let console = "";
    for (const stream of [container.stdout!, container.stderr!])
      stream.on("data", (text) => (console += text));
    const ended = once(container, "close").then(() => {
      throw new Error(`systemd-nspawn ended:\n${console}`);
    });
    ended.catch(() => {});
    try {
      return await within(60_000, "Debian is up", Promise.race([ended, BootedDebian.#booted(container)]));
    } catch (cause) {
      container.kill("SIGKILL");
      throw new Error(`Debian does not boot:\n${console}`, { cause });
    }
  }

  static async #booted(container: ChildProcess): Promise<BootedDebian> {
    const children = `/proc/${container.pid}/task/${container.pid}/children`;
    for (;;) {
      const [leader] = (await readFile(children, "latin1")).trim().split(" ");
      const machine = leader ? new BootedDebian(container, leader) : undefined;
      if (await machine?.run("systemctl", "is-system-running", "--wait").then(isUp, isUp)) return machine!;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** The command that runs another one in the machine's network and with the host's files. */
  get network(): readonly string[] {
    return ["nsenter", "--target", this.#leader, "--net"];
  }

  /** Runs a program of the machine to its end and returns its output. Fails unless it succeeds. */
  async run(...command: string[]): Promise<string> {
    const spaces = ["--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup", "--root", "--wd=/"];
    const { stdout } = await run("nsenter", ["--target", this.#leader, ...spaces, ...command]);
    return stdout;
  }

  /** Asks a server of the machine, and returns the body of the answer. Fails unless the status says success. */
  async get(url: string): Promise<Buffer> {
    const [program, ...rest] = [...this.network, "curl", "--silent", "--show-error", "--fail", url];
    const options = { encoding: "buffer", maxBuffer: 64 << 20 } as const;
    return (await run(program!, rest, options)).stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { exitCode, signalCode } = this.#container;
    if (exitCode !== null || signalCode !== null) return;
    const closed = once(this.#container, "close");
    process.kill(Number(this.#leader), "SIGKILL");
    await within(20_000, "systemd-nspawn has ended", closed);
  }
}

/** What systemctl printed or failed with, once the boot is over: "degraded" is up too. */
function isUp(outcome: unknown): boolean {
  const text = typeof outcome === "string" ? outcome : (outcome as { stdout?: string }).stdout;
  return /^(running|degraded)/.test(text ?? "");
}

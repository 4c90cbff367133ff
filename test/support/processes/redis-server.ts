import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { Redis } from "iovalkey";
import { within } from "../deadline.ts";
import { freePort } from "../free-port.ts";

/** A real redis-server on a free port of the loopback that keeps nothing on disk, and can be killed, frozen and restarted. */
export class RedisServer {
  readonly port: number;
  readonly #args: readonly string[];
  #process: ChildProcess | undefined;

  private constructor(port: number, args: readonly string[]) {
    this.port = port;
    this.#args = args;
  }

  static async start(args: readonly string[] = []): Promise<RedisServer> {
    const server = new RedisServer(await freePort(), args);
    await server.restart();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Starts it again, empty. */
  async restart(): Promise<void> {
    const options = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", "/tmp"];
    const child = spawn("redis-server", ["--port", String(this.port), ...options, ...this.#args], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#process = child;
    const ready = new Promise<void>((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (code) => reject(new Error(`redis-server ended with ${code}`)));
      let text = "";
      child.stdout.on("data", (chunk) => {
        text += chunk;
        if (text.includes("Ready to accept connections")) resolve();
      });
    });
    await within(10_000, "redis-server is ready", ready);
  }

  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await within(10_000, "redis-server has ended", ended);
  }

  freeze(): void {
    this.#process?.kill("SIGSTOP");
  }

  thaw(): void {
    this.#process?.kill("SIGCONT");
  }

  /** Anybody else who may write to it. */
  client(): Redis {
    return new Redis(this.url, { maxRetriesPerRequest: 0 });
  }
}

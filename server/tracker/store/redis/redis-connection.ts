import { Redis } from "iovalkey";
import { messageOf, PiezaError } from "#core/base/errors.ts";
import type { Log } from "../../../http/base/log.ts";
import type { RedisScript } from "./scripts.ts";

/** A command fails if Redis has not answered within this time, and so does the first connection. */
const COMMAND_MS = 500;
/** The pause before the next try to reach an absent Redis, up to doubled at random, so that replicas spread. */
const RECONNECT_MS = 100;
/** Callers are told to retry after this time, up to doubled at random, so that they do not come back all at once. */
const RETRY_AFTER_MS = 500;

export interface RedisConnectionOptions {
  /** `redis://[user:password@]host:port[/db]`, or `rediss://` for TLS. */
  readonly url: string;
  /** Called on each new connection, the first included, before any other call may use it. */
  readonly onReady?: ((connection: RedisConnection) => Promise<void>) | undefined;
  readonly log?: Log | undefined;
}

/**
 * One connection to a Redis that may be away at any time. A call waits at most 0.5 s, is never queued and never sent
 * twice. Whatever goes wrong, the call throws `unavailable`, and the connection is made again in the background.
 *
 * A command without an answer closes the connection, so that later calls fail at once until Redis answers again.
 */
export class RedisConnection {
  readonly #client: Redis;
  readonly #options: RedisConnectionOptions;
  /** Resolves when Redis first answers, or after COMMAND_MS without it. */
  readonly #first = Promise.withResolvers<void>();
  readonly #firstTimer = setTimeout(() => this.#first.resolve(), COMMAND_MS);
  #usable = false;
  #toldAway = false;
  #errors = 0;

  constructor(options: RedisConnectionOptions) {
    this.#options = options;
    this.#client = new Redis(options.url, {
      commandTimeout: COMMAND_MS,
      connectTimeout: COMMAND_MS,
      disconnectTimeout: 0,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      autoResendUnfulfilledCommands: false,
      retryStrategy: () => RECONNECT_MS * (1 + Math.random()),
      // After a failover the old address may lead to a replica: connect again, which resolves the address again.
      reconnectOnError: (error) => error.message.startsWith("READONLY"),
    });
    this.#client.on("ready", () => void this.#ready());
    this.#client.on("close", () => {
      this.#usable = false;
    });
    this.#client.on("error", (error) => this.#away(error));
  }

  /** Commands that failed or could not be sent since the start. */
  get errors(): number {
    return this.#errors;
  }

  /** Runs one command. Texts of the answer are Buffers. Throws `unavailable`. */
  command(name: string, ...args: (string | number | Buffer)[]): Promise<unknown> {
    return this.#run(() => this.#client.callBuffer(name, ...args));
  }

  /** Runs a script. Throws `unavailable`. */
  script(script: RedisScript, keys: readonly string[], args: readonly (string | number | Buffer)[]) {
    return this.#run(() => this.#evaluate(script, [keys.length, ...keys, ...args]));
  }

  /** Leaves no socket and no timer. */
  async close(): Promise<void> {
    clearTimeout(this.#firstTimer);
    this.#first.resolve();
    this.#usable = false;
    const open = ["connecting", "connect", "ready"].includes(this.#client.status);
    const ended = new Promise((resolve) => this.#client.once("end", resolve));
    this.#client.disconnect();
    if (open) await ended;
  }

  async #run(work: () => Promise<unknown>): Promise<unknown> {
    if (!this.#usable) await this.#first.promise;
    try {
      if (!this.#usable) throw new Error("Redis is away");
      return await work();
    } catch (error) {
      this.#errors++;
      if (messageOf(error) === "Command timed out") this.#drop();
      const retryAfterMs = Math.round(RETRY_AFTER_MS * (1 + Math.random()));
      const message = "the tracker's store does not answer";
      throw new PiezaError("unavailable", message, { cause: error, retryAfterMs });
    }
  }

  /** Sends the script's digest, and its text if this Redis does not know it yet. */
  async #evaluate({ sha, text }: RedisScript, rest: (string | number | Buffer)[]): Promise<unknown> {
    try {
      return await this.#client.callBuffer("EVALSHA", sha, ...rest);
    } catch (error) {
      if (!messageOf(error).startsWith("NOSCRIPT")) throw error;
      return await this.#client.callBuffer("EVAL", text, ...rest);
    }
  }

  async #ready(): Promise<void> {
    this.#usable = true;
    try {
      await this.#options.onReady?.(this);
    } catch (error) {
      // Redis went away again, or its answer makes no sense: connect again.
      this.#away(error);
      this.#drop();
      return;
    }
    if (this.#toldAway) this.#options.log?.({ level: "info", event: "store_back", message: "Redis is back" });
    this.#toldAway = false;
    clearTimeout(this.#firstTimer);
    this.#first.resolve();
  }

  /** Closes the connection. The client soon opens another. */
  #drop(): void {
    if (this.#usable && this.#client.status === "ready") this.#client.disconnect(true);
    this.#usable = false;
  }

  #away(error: unknown): void {
    if (this.#toldAway) return;
    this.#toldAway = true;
    const message = `Redis is away: ${messageOf(error)}`;
    this.#options.log?.({ level: "warn", event: "store_away", message });
  }
}

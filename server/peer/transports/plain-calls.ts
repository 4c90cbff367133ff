import type { LookupFunction } from "node:net";
import { PiezaError } from "#core/base/errors.ts";
import { nodeClock } from "../../base/node-clock.ts";
import { type ConnectionOptions, Http1Connection, WholeBody } from "./http1-connection.ts";
import { UnusualAnswer } from "./unusual-answer.ts";

export interface PlainCallOptions {
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  /** Bytes of an answer at most. */
  readonly maxBytes: number;
}

/** Longest use of an idle connection: below the 60 s after which a server closes it. */
const MAX_IDLE_MS = 30_000;

const CONNECTION: ConnectionOptions = {
  Failure: PiezaError,
  stallMs: 0,
  unreachable: (cause) => new PiezaError("unavailable", cause.message, { cause }),
  closed: () => new UnusualAnswer("the connection closed before the answer"),
  malformed: (problem) => new UnusualAnswer(problem),
};

/**
 * Small Connect unary calls (binary, HTTP/1.1, keep-alive) to one server over plain sockets, for the requests of a
 * download before the Connect library is loaded. Calls fail with PiezaError as over any transport, with the signal's
 * reason, or with UnusualAnswer for an answer that only the library reads: chunked, compressed or over HTTP/2.
 */
export class PlainCalls {
  readonly #url: string;
  readonly #connection: ConnectionOptions;
  readonly #busy = new Set<Http1Connection>();
  #idle: { readonly connection: Http1Connection; readonly sinceMs: number } | undefined;
  #closed = false;

  /** `url`: scheme http, host and port. `lookup` resolves its host. Opens no connection yet. */
  constructor(url: string, lookup?: LookupFunction) {
    this.#url = url;
    this.#connection = { ...CONNECTION, lookup };
  }

  /** `path`: "/package.Service/Method". Returns the message of the answer. */
  async call(path: string, message: Uint8Array, options: PlainCallOptions): Promise<Uint8Array> {
    const { signal } = options;
    for (;;) {
      signal.throwIfAborted();
      if (this.#closed) throw closed();
      const reused = this.#takeIdle();
      const connection = reused ?? new Http1Connection(this.#url, this.#connection);
      this.#busy.add(connection);
      try {
        return await callOver(connection, path, message, options);
      } catch (error) {
        // A reused connection without an answer was most likely closed by the server while idle: ask once more.
        if (!reused || connection.answered || signal.aborted || this.#closed) throw error;
      } finally {
        this.#busy.delete(connection);
        this.#keep(connection);
      }
    }
  }

  /** Ends the connections; calls under way fail. */
  close(): void {
    this.#closed = true;
    for (const connection of this.#busy) connection.destroy(closed());
    this.#idle?.connection.destroy();
    this.#idle = undefined;
  }

  #takeIdle(): Http1Connection | undefined {
    const idle = this.#idle;
    this.#idle = undefined;
    if (idle?.connection.reusable && nodeClock.now() - idle.sinceMs < MAX_IDLE_MS) return idle.connection;
    idle?.connection.destroy();
    return undefined;
  }

  #keep(connection: Http1Connection): void {
    if (!connection.reusable || this.#idle || this.#closed) connection.destroy();
    else this.#idle = { connection, sinceMs: nodeClock.now() };
  }
}

async function callOver(
  connection: Http1Connection,
  path: string,
  message: Uint8Array,
  { signal, timeoutMs, maxBytes }: PlainCallOptions,
): Promise<Uint8Array> {
  let answer: Uint8Array = new Uint8Array(0);
  const body = (_: unknown, length: number) => {
    if (length > maxBytes) throw new PiezaError("internal", "answered with more bytes than it may");
    return new WholeBody(length, (bytes) => {
      answer = bytes;
    });
  };
  await connection.call({ path, message, timeoutMs, clock: nodeClock, body }, signal);
  return answer;
}

function closed(): PiezaError {
  return new PiezaError("unavailable", "the connection was closed");
}

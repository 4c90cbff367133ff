import net from "node:net";
import { PiezaError } from "#core/base/errors.ts";
import { connectFailure, MAX_ERROR_BYTES } from "./connect-failure.ts";
import { contentLength, HeadReader, type ResponseHead } from "./http1-response.ts";
import { UnusualAnswer } from "./piece-message.ts";

export interface PlainCallOptions {
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  /** Bytes of an answer at most. */
  readonly maxBytes: number;
}

/** Below a server's 60 s, so that we leave before it sends us away. */
const MAX_IDLE_MS = 30_000;

/**
 * Small Connect unary calls (binary, HTTP/1.1, keep-alive) to one server over plain sockets: what a download asks for
 * before the library is loaded. Calls fail with PiezaError as over any transport, or with the signal's reason; and with
 * UnusualAnswer for what only the library reads: chunked or encoded answers, a server that speaks HTTP/2 alone.
 */
export class PlainCalls {
  readonly #url: URL;
  readonly #busy = new Set<CallConnection>();
  #idle: CallConnection | undefined;
  #closed = false;

  /** `url`: scheme http, host and port. Opens no connection yet. */
  constructor(url: string) {
    this.#url = new URL(url);
  }

  /** `path`: "/package.Service/Method". Returns the message of the answer. */
  async call(path: string, message: Uint8Array, options: PlainCallOptions): Promise<Uint8Array> {
    for (;;) {
      options.signal.throwIfAborted();
      if (this.#closed) throw closed();
      const reused = this.#takeIdle();
      const connection = reused ?? new CallConnection(this.#url);
      this.#busy.add(connection);
      try {
        return await connection.call(path, message, options);
      } catch (error) {
        // Most likely it was closed while idle.
        if (!reused || connection.answered || options.signal.aborted || this.#closed) throw error;
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
    this.#idle?.destroy(closed());
    this.#idle = undefined;
  }

  #takeIdle(): CallConnection | undefined {
    const idle = this.#idle;
    this.#idle = undefined;
    if (idle?.reusable && performance.now() - idle.lastUsedMs < MAX_IDLE_MS) return idle;
    idle?.destroy(closed());
    return undefined;
  }

  #keep(connection: CallConnection): void {
    if (connection.reusable && !this.#idle && !this.#closed) this.#idle = connection;
    else connection.destroy(closed());
  }
}

interface Exchange {
  readonly maxBytes: number;
  readonly head: HeadReader;
  began: boolean;
  answer: { readonly head: ResponseHead; readonly length: number } | undefined;
  readonly parts: Buffer[];
  read: number;
  readonly resolve: (message: Uint8Array) => void;
  readonly reject: (error: unknown) => void;
}

/** One connection, for one call at a time. */
class CallConnection {
  /** A byte of an answer has come since the last call. */
  answered = false;
  reusable = true;
  lastUsedMs = 0;
  readonly #socket: net.Socket;
  readonly #host: string;
  #exchange: Exchange | undefined;

  constructor({ hostname, port, host }: URL) {
    this.#host = host;
    const address = { host: hostname.replace(/^\[|\]$/g, ""), port: Number(port || 80) };
    this.#socket = net.connect({ ...address, noDelay: true });
    this.#socket.on("data", (bytes) => this.#onData(bytes));
    this.#socket.on("error", (cause) => this.#end(unreachable(cause)));
    this.#socket.on("close", () => this.#end(new UnusualAnswer("the connection closed before the answer")));
  }

  async call(path: string, message: Uint8Array, options: PlainCallOptions): Promise<Uint8Array> {
    const { signal, timeoutMs, maxBytes } = options;
    this.answered = false;
    this.reusable = false;
    const late = () => this.destroy(new PiezaError("deadline_exceeded", `no answer in ${timeoutMs} ms`));
    const timer = setTimeout(late, timeoutMs);
    const abort = () => this.destroy(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    try {
      return await new Promise((resolve, reject) => {
        const none = { began: false, answer: undefined, parts: [], read: 0 };
        this.#exchange = { maxBytes, head: new HeadReader(), ...none, resolve, reject };
        this.#socket.ref();
        this.#socket.write(this.#request(path, message, timeoutMs));
      });
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      this.lastUsedMs = performance.now();
      this.#socket.unref();
    }
  }

  destroy(error: unknown): void {
    this.#end(error);
    this.#socket.destroy();
  }

  #request(path: string, message: Uint8Array, timeoutMs: number): Buffer {
    const head = [
      `POST ${path} HTTP/1.1`,
      `Host: ${this.#host}`,
      "Content-Type: application/proto",
      "Connect-Protocol-Version: 1",
      `Connect-Timeout-Ms: ${timeoutMs}`,
      `Content-Length: ${message.length}`,
    ];
    return Buffer.concat([Buffer.from(`${head.join("\r\n")}\r\n\r\n`, "latin1"), message]);
  }

  #onData(bytes: Buffer): void {
    const exchange = this.#exchange;
    this.answered = true;
    try {
      if (!exchange) throw new UnusualAnswer("bytes that nobody asked for");
      this.#take(exchange, bytes);
    } catch (error) {
      this.destroy(error);
    }
  }

  #take(exchange: Exchange, bytes: Buffer): void {
    let rest = bytes;
    if (!exchange.answer) {
      const read = readHead(exchange, bytes);
      if (!read) return;
      exchange.answer = { head: read.head, length: bodyLength(read.head, exchange.maxBytes) };
      rest = bytes.subarray(read.bodyStart);
    }
    const { head, length } = exchange.answer;
    exchange.parts.push(rest);
    exchange.read += rest.length;
    if (exchange.read > length) throw new UnusualAnswer("more bytes than the answer has");
    if (exchange.read < length) return;
    this.reusable = head.headers.get("connection")?.toLowerCase() !== "close";
    this.#exchange = undefined;
    const body = Buffer.concat(exchange.parts);
    if (head.status === 200) exchange.resolve(body);
    else exchange.reject(failure(head, body.toString("utf8")));
  }

  #end(error: unknown): void {
    this.reusable = false;
    this.#exchange?.reject(error);
    this.#exchange = undefined;
  }
}

/** The first letter of "HTTP/1.1". A server that speaks HTTP/2 alone begins with another, and may never end a line. */
const H = 0x48;

function readHead(exchange: Exchange, bytes: Buffer) {
  if (!exchange.began && bytes[0] !== H) throw new UnusualAnswer("not HTTP/1.1");
  exchange.began = true;
  try {
    return exchange.head.read(bytes);
  } catch (cause) {
    throw new UnusualAnswer("not HTTP/1.1", { cause });
  }
}

/** Bytes of the body of an answer that we can read. */
function bodyLength(head: ResponseHead, maxBytes: number): number {
  const length = contentLength(head);
  const encoding = head.headers.get("content-encoding") ?? "identity";
  if (length === undefined || encoding !== "identity") throw new UnusualAnswer("not a body of known length");
  if (head.status !== 200) {
    if (length > MAX_ERROR_BYTES) throw failure(head, "");
    return length;
  }
  if (head.headers.get("content-type") !== "application/proto")
    throw new UnusualAnswer("not a protobuf message");
  if (length > maxBytes) throw new PiezaError("internal", "answered with more bytes than it may");
  return length;
}

function failure(head: ResponseHead, body: string): PiezaError {
  const { code, message, ...hint } = connectFailure(head, body);
  return new PiezaError(code, message, hint);
}

function unreachable(cause: Error): PiezaError {
  return new PiezaError("unavailable", cause.message, { cause });
}

function closed(): PiezaError {
  return new PiezaError("unavailable", "the connection was closed");
}

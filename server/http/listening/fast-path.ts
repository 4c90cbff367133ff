import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import type { NodeExchange, Reply } from "../base/http-types.ts";
import type { Limits } from "../base/limits.ts";
import { type FastHead, type FastRequest, fastRequest } from "../direct/fast-request.ts";
import { httpDate } from "../direct/plain-call.ts";
import type { FrontEnd } from "../guards/gates.ts";
import type { Pace } from "../guards/pace.ts";
import type { CallHandler } from "../handling/call-handler.ts";

export interface FastPathOptions {
  readonly limits: Limits;
  readonly calls: Pick<CallHandler, "onUnparsed">;
  /** Takes a connection and the bytes that have been read of its next request. */
  readonly toNode: (socket: Socket, begun: Buffer) => void;
}

/** Idle connections are checked this often, or sooner where their timeouts are shorter. */
const CHECK_MS = 1_000;

/**
 * Answers short calls over HTTP/1.1 on their socket, because making Node's request and response takes more than half
 * of the time of a short call. A connection stays here while short calls come one after the other, each in one chunk.
 * With the first request of any other shape it becomes Node's for good; so Node handles everything that is hard in
 * HTTP.
 */
export class FastPath {
  readonly options: FastPathOptions;
  /** The head that was parsed last. A new connection mostly sends the same one, because it is of the same program. */
  latestHead: FastHead | undefined;
  readonly #connections = new Set<FastConnection>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: FastPathOptions) {
    this.options = options;
  }

  /** Takes a connection and the bytes that have been read from it. */
  serve(socket: Socket, begun: Buffer): void {
    const connection = new FastConnection(socket, this);
    this.#connections.add(connection);
    if (begun.length > 0) connection.onData(begun);
    const { keepAliveMs, headersMs } = this.options.limits;
    this.#timer ??= setInterval(() => this.#check(), Math.min(CHECK_MS, keepAliveMs, headersMs)).unref();
  }

  /** Forgets a connection that has closed or that Node has taken over. */
  remove(connection: FastConnection): void {
    this.#connections.delete(connection);
  }

  /** Destroys the connections that are not waiting for an answer. */
  closeIdle(): void {
    for (const connection of this.#connections) connection.closeIfIdle();
  }

  #check(): void {
    const now = performance.now();
    for (const connection of this.#connections) connection.closeIfLate(now);
    if (this.#connections.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

class FastConnection {
  readonly #socket: Socket;
  readonly #path: FastPath;
  readonly #options: FastPathOptions;
  readonly #listeners: readonly (readonly [event: string, listener: (bytes: Buffer) => void])[];
  #answering: SocketReply | undefined;
  #head: FastHead | undefined;
  /** Bytes that came while a call was being answered. */
  #early: Buffer[] = [];
  #hasEnded = false;
  /** Start of the wait for the next call, on performance.now(). */
  #sinceMs = performance.now();
  /** Longest wait for the next call. */
  #waitMs: number;

  constructor(socket: Socket, path: FastPath) {
    this.#socket = socket;
    this.#path = path;
    this.#options = path.options;
    this.#head = path.latestHead;
    this.#waitMs = path.options.limits.headersMs;
    this.#listeners = [
      ["data", (bytes) => this.onData(bytes)],
      ["end", () => this.#onEnd()],
      ["timeout", () => socket.destroy()],
      ["error", () => socket.destroy()],
      ["close", () => this.#onClose()],
    ];
    for (const [event, listener] of this.#listeners) socket.on(event, listener);
  }

  closeIfIdle(): void {
    if (!this.#answering) this.#socket.destroy();
  }

  /** Destroys the connection if it has waited for a call for too long. */
  closeIfLate(now: number): void {
    if (!this.#answering && now - this.#sinceMs > this.#waitMs) this.#socket.destroy();
    // Node's timeout finds out whether a long answer is still being read. Most answers end before this check.
    if (this.#answering && !this.#socket.timeout) this.#socket.setTimeout(this.#options.limits.idleMs);
  }

  onData(bytes: Buffer): void {
    // The last answer has been sent, and bytes after it are ignored.
    if (this.#socket.writableEnded) return;
    if (this.#answering) {
      // The caller pipelines, which clients rarely do. After this answer the connection goes to Node.
      this.#early.push(bytes);
      this.#socket.pause();
      return;
    }
    const request = fastRequest(bytes, this.#head);
    if (!request || !this.#answer(request)) this.#handOver(bytes);
  }

  /** Answers the request. Returns false if no direct method does. */
  #answer({ head, body }: FastRequest): boolean {
    if (head !== this.#head) this.#head = this.#path.latestHead = head;
    const socket = this.#socket;
    const reply = new SocketReply(socket, head.isLast, this.#options.limits.keepAliveMs);
    const requestHead = { method: "POST", headers: head.headers, httpVersionMajor: 1, socket };
    this.#answering = reply;
    reply.once("close", () => this.#onAnswered());
    if (this.#options.calls.onUnparsed(head.path, requestHead, body, reply)) return true;
    this.#answering = undefined;
    return false;
  }

  #onAnswered(): void {
    this.#answering = undefined;
    this.#sinceMs = performance.now();
    // Longer than the Keep-Alive header says, because the next call may have been sent at the last moment.
    this.#waitMs = this.#options.limits.keepAliveMs + CHECK_MS;
    if (this.#socket.timeout) this.#socket.setTimeout(0);
    if (this.#socket.writableEnded) return;
    if (this.#early.length > 0) this.#handOver();
    else if (this.#hasEnded) this.#socket.end();
  }

  #onEnd(): void {
    this.#hasEnded = true;
    if (!this.#answering && !this.#socket.writableEnded) this.#socket.end();
  }

  #onClose(): void {
    this.#path.remove(this);
    this.#early = [];
    this.#answering?.finish();
  }

  /** Gives the connection to Node, with `bytes` and those that came early. */
  #handOver(...bytes: Buffer[]): void {
    const socket = this.#socket;
    for (const [event, listener] of this.#listeners) socket.off(event, listener);
    this.#path.remove(this);
    // Node would not see the end of the caller's side, which has been read already.
    if (this.#hasEnded) socket.destroy();
    if (socket.destroyed) return;
    socket.pause();
    this.#options.toNode(socket, Buffer.concat([...bytes, ...this.#early]));
    socket.resume();
  }
}

/** An answer of known length, written to its socket. */
class SocketReply implements Reply, FrontEnd {
  statusCode = 200;
  /** Whether all of it has been handed to the system or its caller is gone. */
  closed = false;
  readonly #socket: Socket;
  readonly #isLast: boolean;
  readonly #keepAliveMs: number;
  readonly #headers: Record<string, string | number> = {};
  #onClose: (() => void)[] = [];
  #headersSent = false;

  constructor(socket: Socket, isLast: boolean, keepAliveMs: number) {
    this.#socket = socket;
    this.#isLast = isLast;
    this.#keepAliveMs = keepAliveMs;
  }

  get destroyed(): boolean {
    return this.#socket.destroyed;
  }

  get headersSent(): boolean {
    return this.#headersSent;
  }

  kill(): void {
    this.#socket.destroy();
  }

  hold(pace: Pace): void {
    this.once("close", () => pace.stopWriting());
  }

  toNode(): NodeExchange {
    throw new Error("a call of the fast path is never a request of Node");
  }

  setHeader(name: string, value: string | number): void {
    if (!isText(String(value)))
      throw new TypeError(`the value of the header ${name} has characters other than printable ASCII`);
    this.#headers[name] = value;
  }

  addTrailers(): void {
    throw new Error("an answer of known length has no trailers");
  }

  once(event: "close" | "drain", fn: () => void): void {
    if (event === "drain") this.#socket.once("drain", fn);
    else this.#onClose.push(fn);
  }

  cork(): void {
    this.#socket.cork();
  }

  uncork(): void {
    this.#socket.uncork();
  }

  write(chunk: Uint8Array): boolean {
    if (!this.#headersSent) this.#socket.write(this.#head(), "latin1");
    return this.#socket.write(chunk);
  }

  end(chunk: Uint8Array | string, encoding: BufferEncoding = "latin1"): void {
    const written = () => this.finish();
    if (typeof chunk === "string" && !this.#headersSent) {
      this.#socket.write(this.#head() + chunk, encoding, written);
    } else {
      this.#socket.cork();
      if (!this.#headersSent) this.#socket.write(this.#head(), "latin1");
      this.#socket.write(chunk, encoding, written);
      this.#socket.uncork();
    }
    if (this.#isLast) this.#socket.destroySoon();
    // Mostly the system takes all of it at once, and nothing is left to wait for.
    if (this.#socket.writableLength === 0) this.finish();
  }

  /** Calls the listeners of "close", once. */
  finish(): void {
    if (this.closed) return;
    this.closed = true;
    for (const fn of this.#onClose) fn();
  }

  #head(): string {
    this.#headersSent = true;
    let lines = `HTTP/1.1 ${this.statusCode} ${STATUS_CODES[this.statusCode]}\r\n`;
    for (const name in this.#headers) lines += `${name}: ${this.#headers[name]}\r\n`;
    return `${lines}Date: ${httpDate()}\r\n${this.#connection()}\r\n`;
  }

  #connection(): string {
    if (this.#isLast) return "Connection: close\r\n";
    return `Connection: keep-alive\r\nKeep-Alive: timeout=${Math.floor(this.#keepAliveMs / 1_000)}\r\n`;
  }
}

function isText(value: string): boolean {
  return /^[\t\x20-\x7e]*$/.test(value);
}

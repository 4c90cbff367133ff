import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { httpDate } from "../base/http-date.ts";
import type { NodeExchange, Reply } from "../base/http-types.ts";
import type { Limits } from "../base/limits.ts";
import { type FastHead, type FastRequest, fastRequest } from "../direct/fast-request.ts";
import type { FrontEnd } from "../guards/call.ts";
import type { Pace } from "../guards/pace.ts";
import type { CallHandler } from "../handling/call-handler.ts";

export interface FastPathOptions {
  readonly limits: Limits;
  readonly calls: Pick<CallHandler, "onWhole">;
  /** Takes a connection, and what has been read of its next request. */
  readonly toNode: (socket: Socket, begun: Buffer) => void;
}

/** Connections between two calls are looked at so often, at most. */
const LOOK_MS = 1_000;

/**
 * Short calls over HTTP/1.1, answered on their socket: Node's request and response are more than half of the time of
 * one. A connection stays here while all that comes is one short call after the other, each in one piece. With the
 * first request of any other shape it is Node's for good, as if it had been from the start; so everything that is hard
 * in HTTP is Node's.
 */
export class FastPath {
  readonly #options: FastPathOptions;
  readonly #connections = new Set<FastConnection>();
  /** That of the last new kind: mostly a new connection says the same as others of the same program. */
  readonly #latest: { head: FastHead | undefined } = { head: undefined };
  #timer: NodeJS.Timeout | undefined;

  constructor(options: FastPathOptions) {
    this.#options = options;
  }

  /** Takes over a connection, and what has been read of it. */
  serve(socket: Socket, begun: Buffer): void {
    const onGone = () => this.#connections.delete(connection);
    const connection = new FastConnection(socket, this.#options, this.#latest, onGone);
    this.#connections.add(connection);
    if (begun.length > 0) connection.onData(begun);
    const { keepAliveMs, headersMs } = this.#options.limits;
    this.#timer ??= setInterval(() => this.#look(), Math.min(LOOK_MS, keepAliveMs, headersMs)).unref();
  }

  /** Ends those that wait for no answer. */
  closeIdle(): void {
    for (const connection of this.#connections) connection.closeIfIdle();
  }

  #look(): void {
    const now = performance.now();
    for (const connection of this.#connections) connection.closeIfLate(now);
    if (this.#connections.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

class FastConnection {
  readonly #socket: Socket;
  readonly #options: FastPathOptions;
  readonly #onGone: () => void;
  readonly #listeners: readonly (readonly [event: string, listener: (bytes: Buffer) => void])[];
  readonly #latest: { head: FastHead | undefined };
  #answering: SocketReply | undefined;
  #head: FastHead | undefined;
  /** Came while a call was being answered. */
  #early: Buffer[] = [];
  #hasEnded = false;
  /** It waits for a call since then, on performance.now(), and for so long. */
  #sinceMs = performance.now();
  #waitMs: number;

  constructor(
    socket: Socket,
    options: FastPathOptions,
    latest: { head: FastHead | undefined },
    onGone: () => void,
  ) {
    this.#socket = socket;
    this.#options = options;
    this.#latest = latest;
    this.#head = latest.head;
    this.#waitMs = options.limits.headersMs;
    this.#onGone = onGone;
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

  /** Called now and then. */
  closeIfLate(now: number): void {
    if (!this.#answering && now - this.#sinceMs > this.#waitMs) this.#socket.destroy();
    // Node knows whether a long answer is still being read; most are over before anybody looks here.
    if (this.#answering && !this.#socket.timeout) this.#socket.setTimeout(this.#options.limits.idleMs);
  }

  onData(bytes: Buffer): void {
    // Its last answer has been given.
    if (this.#socket.writableEnded) return;
    if (this.#answering) {
      // No client that waits for its answers does that: one after the other, and by Node.
      this.#early.push(bytes);
      this.#socket.pause();
      return;
    }
    const request = fastRequest(bytes, this.#head);
    if (!request || !this.#answer(request)) this.#handOver(bytes);
  }

  /** Returns false if no direct method answers the call. */
  #answer({ head, body }: FastRequest): boolean {
    if (head !== this.#head) this.#head = this.#latest.head = head;
    const socket = this.#socket;
    const reply = new SocketReply(socket, head.isLast, this.#options.limits.keepAliveMs);
    const requestHead = { method: "POST", headers: head.headers, httpVersionMajor: 1, socket };
    this.#answering = reply;
    reply.once("close", () => this.#onAnswered());
    if (this.#options.calls.onWhole(head.path, requestHead, body, reply, reply)) return true;
    this.#answering = undefined;
    return false;
  }

  #onAnswered(): void {
    this.#answering = undefined;
    this.#sinceMs = performance.now();
    // Longer than was said: a caller may have sent its next call at the last moment.
    this.#waitMs = this.#options.limits.keepAliveMs + LOOK_MS;
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
    this.#onGone();
    this.#early = [];
    this.#answering?.finish();
  }

  /** The rest is Node's: these bytes, and what came after them. */
  #handOver(...bytes: Buffer[]): void {
    const socket = this.#socket;
    for (const [event, listener] of this.#listeners) socket.off(event, listener);
    this.#onGone();
    // Node cannot be told any more that its caller has said all.
    if (this.#hasEnded) socket.destroy();
    if (socket.destroyed) return;
    socket.pause();
    this.#options.toNode(socket, Buffer.concat([...bytes, ...this.#early]));
    socket.resume();
  }
}

/** An answer on its socket, in one piece of known length. */
class SocketReply implements Reply, FrontEnd {
  statusCode = 200;
  /** All of it has been handed to the system, or its caller is gone. */
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
    throw new Error("this call is answered before it is a request of Node");
  }

  setHeader(name: string, value: string | number): void {
    if (!isText(String(value))) throw new TypeError(`the value of ${name} is no text`);
    this.#headers[name] = value;
  }

  addTrailers(): void {
    throw new Error("an answer of known length has no trailers");
  }

  once(_event: "close", fn: () => void): void {
    this.#onClose.push(fn);
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
    // Mostly the system has taken it all at once.
    if (this.#socket.writableLength === 0) this.finish();
  }

  /** Nobody waits for the answer any more. */
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

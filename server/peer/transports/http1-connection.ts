import net from "node:net";
import type { Clock } from "#core/base/clock.ts";
import type { PiezaError } from "#core/base/errors.ts";
import { withoutBrackets } from "#core/base/host.ts";
import { connectFailure, MAX_ERROR_BYTES } from "./connect-failure.ts";
import { bodyLength, HeadReader, keepsConnection, type ResponseHead } from "./http1-response.ts";
import { UnusualAnswer } from "./unusual-answer.ts";

/** Bytes that one read of a socket takes at most: so many that the number of reads does not matter. */
const READ_BYTES = 256 << 10;

/** One Connect unary call (binary message) over HTTP/1.1. */
export interface UnaryCall {
  /** "/package.Service/Method". */
  readonly path: string;
  readonly message: Uint8Array;
  /** The call fails unless the whole answer arrives within this time. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** Returns the reader of a successful answer's body, which has `length` bytes, or throws to refuse the answer. */
  body(head: ResponseHead, length: number): AnswerBody;
}

/** Reads the body of one answer. */
export interface AnswerBody {
  /** Bytes still to come. */
  readonly missing: number;
  /** Takes the next bytes, at most `missing`. They are reused after it returns or its promise resolves. */
  read(bytes: Uint8Array): void | Promise<void>;
  /** Is called after the last byte. Throws to fail the call; the connection stays usable. */
  end?(): void;
}

export interface ConnectionOptions {
  /** The class of errors of this connection. */
  readonly Failure: typeof PiezaError;
  /** Resolves the host's name. Default: the system's resolver. */
  readonly lookup?: net.LookupFunction | undefined;
  /** A connection without a byte for this time fails, idle ones included; 0: never. */
  readonly stallMs: number;
  /** The error when the server cannot be reached or the socket breaks. */
  unreachable(cause: Error): Error;
  /** The error when the server closes the connection before the end of an answer. */
  closed(): Error;
  /** The error when the answer is not well-formed HTTP/1.1. */
  malformed(problem: string): Error;
}

/** The call under way, and how it ends. */
interface Exchange {
  readonly call: UnaryCall;
  readonly head: HeadReader;
  body: AnswerBody | undefined;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** One HTTP/1.1 connection to one server, for one call at a time. */
export class Http1Connection {
  /** Whether a byte of the answer to the last call has arrived. */
  answered = false;
  /** Whether another call may follow the one that has ended. */
  reusable = true;
  readonly #url: string;
  readonly #socket: net.Socket;
  readonly #host: string;
  readonly #options: ConnectionOptions;
  #exchange: Exchange | undefined;

  /** `url`: scheme http, host and port. Connects at once; a failure shows in the first call. */
  constructor(url: string, options: ConnectionOptions) {
    const { hostname, port, host } = new URL(url);
    this.#url = url;
    this.#host = host;
    this.#options = options;
    this.#socket = net.connect({
      host: withoutBrackets(hostname),
      port: Number(port || 80),
      noDelay: true,
      ...(options.lookup && { lookup: options.lookup }),
      onread: {
        buffer: Buffer.allocUnsafeSlow(READ_BYTES),
        callback: (size, buffer) => this.#onRead(buffer as Buffer, size),
      },
    });
    this.#socket.on("error", (cause) => this.#fail(options.unreachable(cause)));
    this.#socket.on("close", () => this.#fail(options.closed()));
    this.#socket.on("timeout", () => this.#time(`no byte from ${url} in ${options.stallMs} ms`));
    this.#socket.setTimeout(options.stallMs);
  }

  /**
   * Makes a call and resolves when its body has been read. Fails with the errors of the options, with `Failure` for
   * an answer that is an error, with UnusualAnswer, with what the body's reader threw, or with the signal's reason.
   */
  async call(call: UnaryCall, signal: AbortSignal): Promise<void> {
    const { timeoutMs, clock } = call;
    this.answered = false;
    this.reusable = false;
    const cancel = clock.after(timeoutMs, () =>
      this.#time(`no whole answer from ${this.#url} in ${timeoutMs} ms`),
    );
    const abort = () => this.destroy(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    try {
      await new Promise<void>((resolve, reject) => {
        const head = new HeadReader(this.#options.malformed);
        this.#exchange = { call, head, body: undefined, resolve, reject };
        this.#socket.ref();
        this.#socket.write(this.#request(call));
      });
    } finally {
      cancel();
      signal.removeEventListener("abort", abort);
    }
  }

  /** Ends the connection, and the call under way with `error`. */
  destroy(error: unknown = this.#failure("unavailable", "the connection was closed")): void {
    this.#fail(error);
    this.#socket.destroy();
  }

  #request({ path, message, timeoutMs }: UnaryCall): Buffer {
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

  /** Returns false to pause the socket. */
  #onRead(buffer: Buffer, size: number): boolean {
    const exchange = this.#exchange;
    this.answered = true;
    if (!exchange) {
      this.destroy(); // bytes without a request
      return false;
    }
    try {
      const waiting = this.#take(exchange, buffer.subarray(0, size));
      if (!waiting) return true;
      waiting.then(
        () => this.#socket.resume(),
        (error) => this.destroy(error),
      );
    } catch (error) {
      this.destroy(error);
    }
    return false;
  }

  #take(exchange: Exchange, bytes: Buffer): undefined | Promise<void> {
    let rest: Buffer = bytes;
    if (!exchange.body) {
      const read = exchange.head.read(bytes);
      if (!read) return undefined;
      exchange.body = this.#body(exchange.call, read.head);
      rest = bytes.subarray(read.bodyStart);
    }
    const { body } = exchange;
    if (rest.length > body.missing) throw this.#options.malformed("more bytes than the answer has");
    const waiting = rest.length > 0 ? body.read(rest) : undefined;
    if (body.missing > 0) return waiting || undefined;
    if (waiting) return waiting.then(() => this.#end(exchange, body));
    this.#end(exchange, body);
    return undefined;
  }

  #body(call: UnaryCall, head: ResponseHead): AnswerBody {
    const length = bodyLength(head);
    this.reusable = keepsConnection(head);
    if (head.status < 200) throw new UnusualAnswer("an interim answer comes first");
    if (head.status !== 200) return this.#errorBody(head, length);
    if (head.headers.get("content-type") !== "application/proto")
      throw new UnusualAnswer("not a protobuf message");
    return call.body(head, length);
  }

  #errorBody(head: ResponseHead, length: number): AnswerBody {
    const { Failure } = this.#options;
    if (length > MAX_ERROR_BYTES) throw connectFailure(Failure, head, "");
    return new WholeBody(length, (body) => {
      throw connectFailure(Failure, head, body.toString("utf8"));
    });
  }

  #end(exchange: Exchange, body: AnswerBody): void {
    this.#exchange = undefined;
    this.#socket.unref();
    try {
      body.end?.();
      exchange.resolve();
    } catch (error) {
      exchange.reject(error);
    }
  }

  #time(message: string): void {
    this.destroy(this.#failure("deadline_exceeded", message));
  }

  #failure(code: "unavailable" | "deadline_exceeded", message: string): PiezaError {
    return new this.#options.Failure(code, message);
  }

  #fail(error: unknown): void {
    this.reusable = false;
    this.#exchange?.reject(error);
    this.#exchange = undefined;
  }
}

/** Collects a body of `length` bytes and hands it on when it is whole. */
export class WholeBody implements AnswerBody {
  readonly #bytes: Buffer;
  readonly #onWhole: (body: Buffer) => void;
  #read = 0;

  constructor(length: number, onWhole: (body: Buffer) => void) {
    this.#bytes = Buffer.allocUnsafeSlow(length);
    this.#onWhole = onWhole;
  }

  get missing(): number {
    return this.#bytes.length - this.#read;
  }

  read(bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.#read);
    this.#read += bytes.length;
  }

  end(): void {
    this.#onWhole(this.#bytes);
  }
}

import net from "node:net";
import { PeerFailed } from "#core/base/errors.ts";
import type { PieceSink } from "#core/ports/peer.ts";
import { parseServerTiming } from "#core/ports/server-timing.ts";
import { connectFailure, MAX_ERROR_BYTES } from "./connect-failure.ts";
import { contentLength, HeadReader, type ResponseHead } from "./http1-response.ts";
import {
  checkMessageLength,
  deadlineMsOf,
  GET_PIECE_PATH,
  type PieceAnswerLimits,
  type PieceRequestMessage,
  requestMessage,
  STALL_MS,
  unreachable,
} from "./piece-call.ts";
import { PieceMessageReader, UnusualAnswer } from "./piece-message.ts";

/** What one read of the socket takes at most: large enough that the number of reads does not matter. */
const READ_BYTES = 256 << 10;
/** The request that is under way, and how it ends. */
interface Exchange {
  readonly sink: PieceSink;
  readonly pieceLength: number;
  readonly head: HeadReader;
  body: Body | undefined;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Where the bytes after the head go. */
interface Body {
  /** Bytes still to come. */
  readonly missing: number;
  read(bytes: Uint8Array): void | Promise<void>;
  /** All of it has come. Throws what the answer means, if that is an error. */
  end(): void;
}

/** One connection to a peer, for one request at a time. */
export class PieceConnection {
  /** A byte of an answer has come since the last request. */
  answered = false;
  /** Whether another request may follow the one that has ended. */
  reusable = true;
  readonly #socket: net.Socket;
  readonly #host: string;
  #exchange: Exchange | undefined;

  /** `url`: scheme http, host and port. Connects at once; a failure shows in the first request. */
  constructor(url: string) {
    const { hostname, port, host } = new URL(url);
    this.#host = host;
    this.#socket = net.connect({
      host: hostname.replace(/^\[|\]$/g, ""),
      port: Number(port || 80),
      noDelay: true,
      onread: {
        buffer: Buffer.allocUnsafeSlow(READ_BYTES),
        callback: (size, buffer) => this.#onRead(buffer as Buffer, size),
      },
    });
    this.#socket.on("error", (cause) => this.#fail(unreachable(url, cause)));
    this.#socket.on("close", () => this.#fail(new PeerFailed("unavailable", `${url} closed the connection`)));
    this.#socket.on("timeout", () =>
      this.destroy(new PeerFailed("deadline_exceeded", `no byte from ${url} in ${STALL_MS} ms`)),
    );
    this.#socket.setTimeout(STALL_MS);
  }

  /** Asks for a piece and feeds it to the sink. Fails with PeerFailed, WrongPiece, UnusualAnswer or what the sink threw. */
  async getPiece(request: PieceRequestMessage, sink: PieceSink, limits: PieceAnswerLimits): Promise<void> {
    const deadlineMs = deadlineMsOf(limits.pieceLength);
    this.answered = false;
    this.reusable = false;
    const cancel = limits.clock.after(deadlineMs, () => {
      this.destroy(new PeerFailed("deadline_exceeded", `no whole answer in ${deadlineMs} ms`));
    });
    try {
      await new Promise<void>((resolve, reject) => {
        const { pieceLength } = limits;
        this.#exchange = { sink, pieceLength, head: new HeadReader(), body: undefined, resolve, reject };
        this.#socket.ref();
        this.#socket.write(this.#request(request, deadlineMs));
      });
    } finally {
      cancel();
    }
  }

  /** Ends the connection, and the request under way with `error`. */
  destroy(error: unknown = new PeerFailed("unavailable", "the connection was closed")): void {
    this.reusable = false;
    this.#fail(error);
    this.#socket.destroy();
  }

  #request(request: PieceRequestMessage, deadlineMs: number): Buffer {
    const message = requestMessage(request);
    const head = [
      `POST ${GET_PIECE_PATH} HTTP/1.1`,
      `Host: ${this.#host}`,
      "Content-Type: application/proto",
      "Connect-Protocol-Version: 1",
      `Connect-Timeout-Ms: ${deadlineMs}`,
      `Content-Length: ${message.length}`,
    ];
    return Buffer.concat([Buffer.from(`${head.join("\r\n")}\r\n\r\n`, "latin1"), message]);
  }

  /** Returns false to keep the socket from reading on. */
  #onRead(buffer: Buffer, size: number): boolean {
    const exchange = this.#exchange;
    this.answered = true;
    if (!exchange) {
      this.destroy(); // bytes that nobody asked for
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
      exchange.body = this.#body(exchange, read.head);
      rest = bytes.subarray(read.bodyStart);
    }
    const { body } = exchange;
    if (rest.length > body.missing) throw new PeerFailed("internal", "more bytes than the answer has");
    const waiting = rest.length > 0 ? body.read(rest) : undefined;
    if (body.missing > 0) return waiting || undefined;
    if (waiting) return waiting.then(() => this.#end(exchange, body));
    this.#end(exchange, body);
    return undefined;
  }

  #body(exchange: Exchange, head: ResponseHead): Body {
    const length = contentLength(head);
    const plain =
      !head.headers.has("content-encoding") || head.headers.get("content-encoding") === "identity";
    if (length === undefined || !plain) throw new UnusualAnswer("not a body of known length");
    this.reusable = head.headers.get("connection")?.toLowerCase() !== "close";
    if (head.status !== 200) return new ErrorBody(head, length);
    if (head.headers.get("content-type") !== "application/proto")
      throw new UnusualAnswer("not a protobuf message");
    checkMessageLength(length, exchange.pieceLength);
    const timing = exchange.sink.timed && parseServerTiming(head.headers.get("server-timing"));
    if (timing) exchange.sink.timed?.(timing);
    const reader = new PieceMessageReader(length, exchange.sink);
    return {
      get missing() {
        return reader.missing;
      },
      read: (bytes) => reader.read(bytes),
      end: () => {},
    };
  }

  #end(exchange: Exchange, body: Body): void {
    this.#exchange = undefined;
    this.#socket.unref();
    try {
      body.end();
      exchange.resolve();
    } catch (error) {
      exchange.reject(error);
    }
  }

  #fail(error: unknown): void {
    this.reusable = false;
    this.#exchange?.reject(error);
    this.#exchange = undefined;
  }
}

/** A Connect error: JSON with code and message. */
class ErrorBody implements Body {
  missing: number;
  readonly #head: ResponseHead;
  readonly #parts: Uint8Array[] = [];

  constructor(head: ResponseHead, length: number) {
    if (length > MAX_ERROR_BYTES) throw new PeerFailed("unavailable", `HTTP ${head.status}`);
    this.#head = head;
    this.missing = length;
  }

  read(bytes: Uint8Array): void {
    this.missing -= bytes.length;
    this.#parts.push(new Uint8Array(bytes));
  }

  end(): never {
    const { code, message, ...hint } = connectFailure(
      this.#head,
      Buffer.concat(this.#parts).toString("utf8"),
    );
    throw new PeerFailed(code, message, hint);
  }
}

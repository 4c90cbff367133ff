import http2, { type ClientHttp2Session, type ClientHttp2Stream, constants } from "node:http2";
import { PeerFailed } from "#core/base/errors.ts";
import type { PieceSink } from "#core/ports/peer.ts";
import { callDeadlineMs } from "#core/rpc/call-limits.ts";
import { frameHead } from "#core/rpc/wire.ts";
import { boundInterimAnswers } from "../../http/client/interim-answers.ts";
import { BufferPool } from "./buffer-pool.ts";
import type { FallbackPeerOptions } from "./fallback-peer.ts";
import { GatheringSink } from "./gathering-sink.ts";
import { GrpcAnswer } from "./grpc-answer.ts";
import {
  closedBy,
  GET_PIECE_PATH,
  type PieceAnswerLimits,
  type PieceRequestMessage,
  requestMessage,
  STALL_MS,
  unreachable,
} from "./piece-message.ts";

/** Bytes that a peer may send ahead. Node's 64 KiB limit a link of 50 ms to 1 MiB/s, and stall even loopback. */
const STREAM_WINDOW_BYTES = 16 << 20;
const CONNECTION_WINDOW_BYTES = 32 << 20;
/** Node's default of 10 MB would refuse streams of a peer that uses those windows. */
const SESSION_MEMORY_MB = 64;
/** Bytes that are hashed and written at once. */
const GATHERED_BYTES = 256 << 10;
const MAX_IDLE_BUFFER_BYTES = 4 << 20;

/** One HTTP/2 connection to a peer, for many requests at a time. */
export class PieceSession {
  /** Whether a whole answer has arrived. */
  used = false;
  readonly #url: string;
  /** Node would leave out the brackets of an IPv6 address. */
  readonly #authority: string;
  readonly #session: ClientHttp2Session;
  readonly #buffers = new BufferPool(MAX_IDLE_BUFFER_BYTES);
  readonly #calls = new Set<PieceStream>();
  #usable = true;
  #failure: unknown;

  /** Connects at once; a failure shows in the first request. */
  constructor({ url, lookup }: Pick<FallbackPeerOptions, "url" | "lookup">) {
    this.#url = url;
    this.#authority = new URL(url).host;
    this.#session = http2.connect(url, {
      ...(lookup && { lookup }),
      settings: { initialWindowSize: STREAM_WINDOW_BYTES, enablePush: false },
      maxSessionMemory: SESSION_MEMORY_MB,
    });
    this.#session.on("connect", () => this.#session.setLocalWindowSize(CONNECTION_WINDOW_BYTES));
    this.#session.on("error", (cause) => this.destroy(unreachable(url, cause)));
    this.#session.on("close", () => this.destroy());
    this.#session.on("goaway", () => {
      this.#usable = false;
    });
    this.#session.setTimeout(STALL_MS, () => this.destroy(silent(url)));
  }

  /** Whether another request may follow. */
  get usable(): boolean {
    return this.#usable && !this.#session.closed && !this.#session.destroyed;
  }

  get inFlight(): number {
    return this.#calls.size;
  }

  /**
   * Asks for a piece and feeds it to the sink. Fails with PeerFailed, WrongPiece, UnusualAnswer, the sink's error or
   * the signal's reason. `onBegun` is called when the answer begins.
   */
  async getPiece(
    request: PieceRequestMessage,
    sink: PieceSink,
    limits: PieceAnswerLimits,
    signal: AbortSignal,
    onBegun: () => void,
  ): Promise<void> {
    if (!this.usable) throw this.#failure ?? closedBy(this.#url);
    const { pieceLength, clock } = limits;
    const deadlineMs = callDeadlineMs(pieceLength);
    const buffer = this.#buffers.take(Math.min(GATHERED_BYTES, pieceLength));
    this.#session.ref();
    const call = new PieceStream(this.#open(request, deadlineMs), sink, buffer, pieceLength, onBegun);
    this.#calls.add(call);
    call.stream.setTimeout(STALL_MS, () => call.fail(silent(this.#url)));
    const cancel = clock.after(deadlineMs, () =>
      call.fail(new PeerFailed("deadline_exceeded", `no whole answer from ${this.#url} in ${deadlineMs} ms`)),
    );
    const abort = () => call.fail(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    try {
      await call.done;
      this.used = true;
      // Only after a success: the sink of a failed call may still use the buffer.
      this.#buffers.give(buffer);
    } finally {
      cancel();
      signal.removeEventListener("abort", abort);
      this.#calls.delete(call);
      if (this.#calls.size === 0) this.#session.unref();
    }
  }

  /** No request may follow; the connection ends with the requests under way. */
  retire(): void {
    this.#usable = false;
    this.#session.close();
  }

  /** Ends the connection, and the requests under way with `error`. */
  destroy(error: unknown = closedBy(this.#url)): void {
    this.#usable = false;
    this.#failure ??= error;
    for (const call of this.#calls) call.fail(this.#failure);
    this.#session.destroy();
  }

  #open(request: PieceRequestMessage, deadlineMs: number): ClientHttp2Stream {
    const message = requestMessage(request);
    try {
      const stream = this.#session.request({
        ":method": "POST",
        ":path": GET_PIECE_PATH,
        ":authority": this.#authority,
        "content-type": "application/grpc+proto",
        "grpc-timeout": `${deadlineMs}m`,
        te: "trailers",
      });
      stream.end(Buffer.concat([frameHead(message.length), message]));
      return stream;
    } catch (cause) {
      // No stream ids are left, or the connection has just ended.
      this.#usable = false;
      throw unreachable(this.#url, cause as Error);
    }
  }
}

/** One request and its answer. */
class PieceStream {
  readonly stream: ClientHttp2Stream;
  readonly done: Promise<void>;
  readonly #answer: GrpcAnswer;
  readonly #gathered: GatheringSink;
  readonly #settled = Promise.withResolvers<void>();
  #over = false;

  constructor(
    stream: ClientHttp2Stream,
    sink: PieceSink,
    buffer: Uint8Array,
    pieceLength: number,
    onBegun: () => void,
  ) {
    this.stream = stream;
    this.done = this.#settled.promise;
    this.#gathered = new GatheringSink(sink, buffer);
    this.#answer = new GrpcAnswer(this.#gathered, pieceLength);
    boundInterimAnswers(stream);
    stream.on("response", (headers) => {
      onBegun();
      this.#attempt(() => this.#answer.onHead(headers));
    });
    stream.on("data", (bytes: Buffer) => this.#attempt(() => this.#take(bytes)));
    stream.on("trailers", (trailers) => this.#answer.onTrailers(trailers));
    stream.on("error", (cause) => this.fail(new PeerFailed("unavailable", cause.message, { cause })));
    stream.on("close", () => void this.#finish());
  }

  /** Ends the request with an error, if it has not ended. */
  fail(error: unknown): void {
    if (this.#over) return;
    this.#over = true;
    this.#settled.reject(error);
    this.stream.close(constants.NGHTTP2_CANCEL);
  }

  #take(bytes: Buffer): void {
    const waiting = this.#answer.onData(bytes);
    if (!waiting) return;
    this.stream.pause();
    waiting.then(
      () => this.stream.resume(),
      (error) => this.fail(error),
    );
  }

  async #finish(): Promise<void> {
    if (this.#over) return;
    try {
      await this.#gathered.flush();
      this.#answer.end();
      this.#over = true;
      this.#settled.resolve();
    } catch (error) {
      this.fail(error);
    }
  }

  /** Runs `take` and fails the request with its error. Does nothing after the request has ended. */
  #attempt(take: () => void): void {
    if (this.#over) return;
    try {
      take();
    } catch (error) {
      this.fail(error);
    }
  }
}

function silent(url: string): PeerFailed {
  return new PeerFailed("deadline_exceeded", `no byte from ${url} in ${STALL_MS} ms`);
}

import type { Clock } from "#core/clock.ts";
import { PeerFailed } from "#core/errors.ts";
import type { PieceSink, RemotePeer } from "#core/peer.ts";
import type { PieceIndex } from "#core/piece.ts";
import { pieceNumber } from "#core/piece.ts";
import type { PieceAnswerLimits } from "./piece-call.ts";
import { PieceConnection } from "./piece-connection.ts";
import { UnusualAnswer } from "./piece-message.ts";

export interface SocketPeerOptions {
  /** Scheme http, host and port. */
  readonly url: string;
  /** 64 lowercase hex digits. */
  readonly infoHash: string;
  readonly pieceLength: (index: PieceIndex) => number;
  readonly clock: Clock;
  /** The same peer over the stock library: everything but pieces, and pieces that come in an unusual way. */
  readonly stock: RemotePeer;
}

/** Idle connections kept; as many as requests are ever under way at one peer. */
const MAX_IDLE = 16;
/** A connection that broke before a byte of the answer came was most likely closed while idle: tried once more. */
const MAX_TRIES = 2;

/**
 * A peer over plain sockets: ordinary Connect unary calls (binary, HTTP/1.1, keep-alive), read so that a piece is never
 * put together: every read of a socket goes to the sink as it is. What it does not understand it leaves to the stock
 * client: chunked answers, other content types, unknown fields. TLS and proxies are not for it at all.
 */
export class SocketPeer implements RemotePeer {
  readonly url: string;
  readonly transport = "connect";
  readonly #options: SocketPeerOptions;
  readonly #idle: PieceConnection[] = [];
  readonly #busy = new Set<PieceConnection>();
  #unusual = false;
  #closed = false;

  constructor(options: SocketPeerOptions) {
    this.url = options.url;
    this.#options = options;
  }

  getBitfield(signal: AbortSignal) {
    return this.#options.stock.getBitfield(signal);
  }

  async getPiece(index: PieceIndex, sink: PieceSink, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#unusual) return this.#options.stock.getPiece(index, sink, signal);
    try {
      await this.#getPiece(index, sink, signal);
    } catch (error) {
      if (!(error instanceof UnusualAnswer)) throw error;
      this.#unusual = true;
      await this.#options.stock.getPiece(index, sink, signal);
    }
  }

  close(): void {
    this.#closed = true;
    for (const connection of [...this.#idle, ...this.#busy]) connection.destroy(this.#closedError());
    this.#idle.length = 0;
    this.#options.stock.close();
  }

  async #getPiece(index: PieceIndex, sink: PieceSink, signal: AbortSignal): Promise<void> {
    const { infoHash, pieceLength, clock } = this.#options;
    const request = { infoHash, number: pieceNumber(index) };
    const limits: PieceAnswerLimits = { pieceLength: pieceLength(index), clock };
    for (let tries = 1; ; tries++) {
      if (this.#closed) throw this.#closedError();
      const reused = this.#takeIdle();
      const connection = reused ?? new PieceConnection(this.url);
      this.#busy.add(connection);
      const abort = () => connection.destroy(signal.reason);
      signal.addEventListener("abort", abort, { once: true });
      try {
        await connection.getPiece(request, sink, limits);
        return;
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        if (!reused || connection.answered || tries === MAX_TRIES) throw error;
      } finally {
        signal.removeEventListener("abort", abort);
        this.#busy.delete(connection);
        if (connection.reusable && this.#idle.length < MAX_IDLE && !this.#closed) this.#idle.push(connection);
        else connection.destroy();
      }
    }
  }

  /** The connection that was used last and is still there. */
  #takeIdle(): PieceConnection | undefined {
    for (let idle = this.#idle.pop(); idle; idle = this.#idle.pop()) if (idle.reusable) return idle;
    return undefined;
  }

  #closedError(): PeerFailed {
    return new PeerFailed("unavailable", `the connection to ${this.url} was closed`);
  }
}

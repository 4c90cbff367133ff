import type { Clock } from "#core/base/clock.ts";
import { PeerFailed } from "#core/base/errors.ts";
import type { PieceSink, RemotePeer } from "#core/ports/peer.ts";
import { type PieceIndex, pieceNumber } from "#core/torrent/piece.ts";
import type { PieceAnswerLimits, PieceRequestMessage } from "./piece-call.ts";
import { UnusualAnswer } from "./piece-message.ts";

export interface OwnWayOptions {
  /** Scheme http, host and port. */
  readonly url: string;
  /** 64 lowercase hex digits. */
  readonly infoHash: string;
  readonly pieceLength: (index: PieceIndex) => number;
  readonly clock: Clock;
  /** The same peer over the stock library: everything but pieces, and pieces that come in an unusual way. */
  readonly stock: RemotePeer;
}

/** Connections of one kind to one peer. */
export interface OwnWay {
  readonly transport: RemotePeer["transport"];
  /**
   * Tries once. Fails with UnusualAnswer for an answer that it does not understand, and with LostWhileIdle if the
   * connection was most likely closed before it was used.
   */
  getPiece(
    request: PieceRequestMessage,
    sink: PieceSink,
    limits: PieceAnswerLimits,
    signal: AbortSignal,
  ): Promise<void>;
  /** Ends every connection, and calls under way with `reason`. */
  close(reason: PeerFailed): void;
}

/** The connection was there from an earlier call, and gone before a byte of the answer came. */
export class LostWhileIdle extends Error {}

/** With the first one: a connection that broke while idle is no fault of the peer's. */
const MAX_TRIES = 2;

/**
 * A peer whose pieces come by a way of our own as long as its answers are the usual ones, and by the stock library from
 * the first that is not.
 */
export class OwnWayPeer implements RemotePeer {
  readonly url: string;
  readonly transport: RemotePeer["transport"];
  readonly #options: OwnWayOptions;
  readonly #way: OwnWay;
  #unusual = false;
  #closed = false;

  constructor(options: OwnWayOptions, way: OwnWay) {
    this.url = options.url;
    this.transport = way.transport;
    this.#options = options;
    this.#way = way;
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
    this.#way.close(this.#closedError());
    this.#options.stock.close();
  }

  async #getPiece(index: PieceIndex, sink: PieceSink, signal: AbortSignal): Promise<void> {
    const { infoHash, pieceLength, clock } = this.#options;
    const request = { infoHash, number: pieceNumber(index) };
    const limits = { pieceLength: pieceLength(index), clock };
    for (let tries = 1; ; tries++) {
      if (this.#closed) throw this.#closedError();
      try {
        return await this.#way.getPiece(request, sink, limits, signal);
      } catch (error) {
        if (!(error instanceof LostWhileIdle)) throw error;
        if (tries === MAX_TRIES) throw error.cause;
      }
    }
  }

  #closedError(): PeerFailed {
    return new PeerFailed("unavailable", `the connection to ${this.url} was closed`);
  }
}

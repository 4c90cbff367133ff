import type { LookupFunction } from "node:net";
import type { Clock } from "#core/base/clock.ts";
import { PeerFailed } from "#core/base/errors.ts";
import type { PieceSink, RemotePeer } from "#core/ports/peer.ts";
import { type PieceIndex, pieceNumber } from "#core/torrent/piece.ts";
import type { PieceAnswerLimits, PieceRequestMessage } from "./piece-message.ts";
import { UntilUnusual } from "./unusual-answer.ts";

export interface FallbackPeerOptions {
  /** Scheme http, host and port. */
  readonly url: string;
  /** 64 lowercase hex digits. */
  readonly infoHash: string;
  readonly pieceLength: (index: PieceIndex) => number;
  readonly clock: Clock;
  /** Resolves the host's name. Default: the system's resolver. */
  readonly lookup?: LookupFunction | undefined;
  /** The same peer through the Connect library: for bitfields, and for pieces after an unusual answer. */
  readonly fallback: RemotePeer;
}

/** Connections of one kind to one peer, which carry pieces only. */
export interface PieceChannel {
  readonly transport: RemotePeer["transport"];
  /**
   * Tries once. Fails with UnusualAnswer for an answer in a form that the channel cannot read, and with LostWhileIdle
   * if a reused connection ended before a byte of the answer.
   */
  getPiece(
    request: PieceRequestMessage,
    sink: PieceSink,
    limits: PieceAnswerLimits,
    signal: AbortSignal,
  ): Promise<void>;
  /** Ends every connection, and the requests under way with `reason`. */
  close(reason: PeerFailed): void;
}

/** A reused connection ended before a byte of the answer: most likely the peer closed it while idle. */
export class LostWhileIdle extends Error {}

/** Tries of one request, the first included. A connection that ended while idle is not the peer's failure. */
const MAX_TRIES = 2;

/** A peer that sends pieces over a channel until its first unusual answer, and over the fallback from then on. */
export class FallbackPeer implements RemotePeer {
  readonly url: string;
  readonly transport: RemotePeer["transport"];
  readonly #options: FallbackPeerOptions;
  readonly #channel: PieceChannel;
  readonly #untilUnusual = new UntilUnusual();
  #closed = false;

  constructor(options: FallbackPeerOptions, channel: PieceChannel) {
    this.url = options.url;
    this.transport = channel.transport;
    this.#options = options;
    this.#channel = channel;
  }

  getBitfield(signal: AbortSignal) {
    return this.#options.fallback.getBitfield(signal);
  }

  async getPiece(index: PieceIndex, sink: PieceSink, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await this.#untilUnusual.call(
      () => this.#getPiece(index, sink, signal),
      () => this.#options.fallback.getPiece(index, sink, signal),
    );
  }

  close(): void {
    this.#closed = true;
    this.#channel.close(this.#closedError());
    this.#options.fallback.close();
  }

  async #getPiece(index: PieceIndex, sink: PieceSink, signal: AbortSignal): Promise<void> {
    const { infoHash, pieceLength, clock } = this.#options;
    const request = { infoHash, number: pieceNumber(index) };
    const limits = { pieceLength: pieceLength(index), clock };
    for (let tries = 1; ; tries++) {
      if (this.#closed) throw this.#closedError();
      try {
        return await this.#channel.getPiece(request, sink, limits, signal);
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

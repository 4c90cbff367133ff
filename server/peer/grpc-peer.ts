import { PeerFailed } from "#core/errors.ts";
import type { PieceSink, RemotePeer } from "#core/peer.ts";
import { type PieceIndex, pieceNumber } from "#core/piece.ts";
import { UnusualAnswer } from "./piece-message.ts";
import { PieceSession } from "./piece-session.ts";
import type { SocketPeerOptions } from "./socket-peer.ts";

/** Connections to one peer: one gives two thirds of what two give, and more give no more. */
const MAX_SESSIONS = 2;
/** A connection that closed before the answer began was most likely closed while idle: tried once more. */
const MAX_TRIES = 2;

/**
 * A peer over native gRPC, read so that a piece is never put together. What it does not understand it leaves to the
 * stock client, and TLS and proxies altogether.
 */
export class GrpcPeer implements RemotePeer {
  readonly url: string;
  readonly transport = "grpc";
  readonly #options: SocketPeerOptions;
  #sessions: PieceSession[] = [];
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
    for (const session of this.#sessions) session.destroy(this.#closedError());
    this.#sessions = [];
    this.#options.stock.close();
  }

  async #getPiece(index: PieceIndex, sink: PieceSink, signal: AbortSignal): Promise<void> {
    const { infoHash, pieceLength, clock } = this.#options;
    const request = { infoHash, number: pieceNumber(index) };
    const limits = { pieceLength: pieceLength(index), clock };
    for (let tries = 1; ; tries++) {
      if (this.#closed) throw this.#closedError();
      const session = this.#session();
      const { used } = session;
      let begun = false;
      try {
        await session.getPiece(request, sink, limits, signal, () => {
          begun = true;
        });
        return;
      } catch (error) {
        const lostWhileIdle = used && !begun && !session.usable && !signal.aborted;
        if (!lostWhileIdle || tries === MAX_TRIES) throw error;
      }
    }
  }

  /** The one with the least to do; another one while all are busy and there may be more. */
  #session(): PieceSession {
    this.#sessions = this.#sessions.filter(({ usable }) => usable);
    const [first, ...others] = this.#sessions;
    const idlest = others.reduce((best, other) => (other.inFlight < best!.inFlight ? other : best), first);
    if (idlest && (idlest.inFlight === 0 || this.#sessions.length === MAX_SESSIONS)) return idlest;
    const session = new PieceSession(this.url);
    this.#sessions.push(session);
    return session;
  }

  #closedError(): PeerFailed {
    return new PeerFailed("unavailable", `the connection to ${this.url} was closed`);
  }
}

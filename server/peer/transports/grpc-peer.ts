import type { PeerFailed } from "#core/base/errors.ts";
import type { PieceSink, RemotePeer } from "#core/ports/peer.ts";
import { LostWhileIdle, type OwnWay, type OwnWayOptions, OwnWayPeer } from "./fallback-peer.ts";
import type { PieceAnswerLimits, PieceRequestMessage } from "./piece-call.ts";
import { PieceSession } from "./piece-session.ts";

/** Connections to one peer: a second one gives more, further ones cost the peer and give nothing. */
const MAX_SESSIONS = 2;

/**
 * A peer over native gRPC, read so that a piece is never put together. What it does not understand it leaves to the
 * stock client, and TLS and proxies altogether.
 */
export function grpcPeer(options: OwnWayOptions): RemotePeer {
  return new OwnWayPeer(options, new SessionWay(options.url));
}

class SessionWay implements OwnWay {
  readonly transport = "grpc";
  readonly #url: string;
  #sessions: PieceSession[] = [];

  constructor(url: string) {
    this.#url = url;
  }

  async getPiece(
    request: PieceRequestMessage,
    sink: PieceSink,
    limits: PieceAnswerLimits,
    signal: AbortSignal,
  ): Promise<void> {
    const session = this.#session();
    const { used } = session;
    let begun = false;
    const onBegun = () => {
      begun = true;
    };
    try {
      await session.getPiece(request, sink, limits, signal, onBegun);
    } catch (cause) {
      const lostWhileIdle = used && !begun && !session.usable && !signal.aborted;
      throw lostWhileIdle ? new LostWhileIdle("before an answer", { cause }) : cause;
    }
  }

  close(reason: PeerFailed): void {
    for (const session of this.#sessions) session.destroy(reason);
    this.#sessions = [];
  }

  /** The one with the least to do; another one while all are busy and there may be more. */
  #session(): PieceSession {
    this.#sessions = this.#sessions.filter(({ usable }) => usable);
    const [first, ...others] = this.#sessions;
    const idlest = others.reduce((best, other) => (other.inFlight < best!.inFlight ? other : best), first);
    if (idlest && (idlest.inFlight === 0 || this.#sessions.length === MAX_SESSIONS)) return idlest;
    const session = new PieceSession(this.#url);
    this.#sessions.push(session);
    return session;
  }
}

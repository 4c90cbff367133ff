import { PeerFailed } from "#core/base/errors.ts";
import type { RemotePeer } from "#core/ports/peer.ts";
import { FallbackPeer, type FallbackPeerOptions, LostWhileIdle, type PieceChannel } from "./fallback-peer.ts";
import { PieceSession } from "./piece-session.ts";

/** Connections to one peer. A second one raises the rate; more of them cost the peer and raise nothing. */
const MAX_SESSIONS = 2;

/**
 * A peer over native gRPC, read so that a piece is never put together in memory. Answers in another form go to the
 * fallback. TLS and proxies are not supported.
 */
export function grpcPeer(options: FallbackPeerOptions): RemotePeer {
  return new FallbackPeer(options, new SessionChannel(options));
}

class SessionChannel implements PieceChannel {
  readonly transport = "grpc";
  readonly #way: Pick<FallbackPeerOptions, "url" | "lookup">;
  #sessions: PieceSession[] = [];

  constructor(way: Pick<FallbackPeerOptions, "url" | "lookup">) {
    this.#way = way;
  }

  async getPiece(...[request, sink, limits, signal]: Parameters<PieceChannel["getPiece"]>): Promise<void> {
    const session = this.#session();
    const { used } = session;
    let begun = false;
    const onBegun = () => {
      begun = true;
    };
    try {
      await session.getPiece(request, sink, limits, signal, onBegun);
    } catch (cause) {
      // The caller gave the peer up as stalled: the next request takes a new connection.
      if (signal.reason instanceof PeerFailed) session.retire();
      const lostWhileIdle = used && !begun && !session.usable && !signal.aborted;
      throw lostWhileIdle ? new LostWhileIdle("before an answer", { cause }) : cause;
    }
  }

  close(reason: PeerFailed): void {
    for (const session of this.#sessions) session.destroy(reason);
    this.#sessions = [];
  }

  /** The session with the fewest requests; a new one while all are busy and fewer than MAX_SESSIONS are open. */
  #session(): PieceSession {
    this.#sessions = this.#sessions.filter(({ usable }) => usable);
    const [first, ...others] = this.#sessions;
    const idlest = others.reduce((best, other) => (other.inFlight < best!.inFlight ? other : best), first);
    if (idlest && (idlest.inFlight === 0 || this.#sessions.length === MAX_SESSIONS)) return idlest;
    const session = new PieceSession(this.#way);
    this.#sessions.push(session);
    return session;
  }
}

import type { PeerFailed } from "#core/base/errors.ts";
import type { PieceSink, RemotePeer } from "#core/ports/peer.ts";
import { LostWhileIdle, type OwnWay, type OwnWayOptions, OwnWayPeer } from "./fallback-peer.ts";
import type { PieceAnswerLimits, PieceRequestMessage } from "./piece-call.ts";
import { PieceConnection } from "./piece-connection.ts";

/** Idle connections kept; as many as requests are ever under way at one peer. */
const MAX_IDLE = 16;

/**
 * A peer over plain sockets: ordinary Connect unary calls (binary, HTTP/1.1, keep-alive), read so that a piece is never
 * put together: every read of a socket goes to the sink as it is. What it does not understand it leaves to the stock
 * client: chunked answers, other content types, unknown fields. TLS and proxies are not for it at all.
 */
export function socketPeer(options: OwnWayOptions): RemotePeer {
  return new OwnWayPeer(options, new SocketWay(options.url));
}

class SocketWay implements OwnWay {
  readonly transport = "connect";
  readonly #url: string;
  readonly #idle: PieceConnection[] = [];
  readonly #busy = new Set<PieceConnection>();
  #closed = false;

  constructor(url: string) {
    this.#url = url;
  }

  async getPiece(
    request: PieceRequestMessage,
    sink: PieceSink,
    limits: PieceAnswerLimits,
    signal: AbortSignal,
  ): Promise<void> {
    const reused = this.#takeIdle();
    const connection = reused ?? new PieceConnection(this.#url);
    this.#busy.add(connection);
    const abort = () => connection.destroy(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    try {
      await connection.getPiece(request, sink, limits);
    } catch (cause) {
      if (signal.aborted) throw signal.reason;
      if (reused && !connection.answered) throw new LostWhileIdle("before an answer", { cause });
      throw cause;
    } finally {
      signal.removeEventListener("abort", abort);
      this.#busy.delete(connection);
      if (connection.reusable && this.#idle.length < MAX_IDLE && !this.#closed) this.#idle.push(connection);
      else connection.destroy();
    }
  }

  close(reason: PeerFailed): void {
    this.#closed = true;
    for (const connection of [...this.#idle, ...this.#busy]) connection.destroy(reason);
    this.#idle.length = 0;
  }

  /** The connection that was used last and is still there. */
  #takeIdle(): PieceConnection | undefined {
    for (let idle = this.#idle.pop(); idle; idle = this.#idle.pop()) if (idle.reusable) return idle;
    return undefined;
  }
}

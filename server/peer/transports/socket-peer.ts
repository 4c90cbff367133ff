import { PeerFailed } from "#core/base/errors.ts";
import type { PieceSink, RemotePeer } from "#core/ports/peer.ts";
import { parseServerTiming } from "#core/ports/server-timing.ts";
import { callDeadlineMs } from "#core/rpc/call-limits.ts";
import { FallbackPeer, type FallbackPeerOptions, LostWhileIdle, type PieceChannel } from "./fallback-peer.ts";
import { type ConnectionOptions, Http1Connection, type UnaryCall } from "./http1-connection.ts";
import {
  checkMessageLength,
  closedBy,
  GET_PIECE_PATH,
  type PieceAnswerLimits,
  PieceMessageReader,
  type PieceRequestMessage,
  requestMessage,
  STALL_MS,
  unreachable,
} from "./piece-message.ts";

/** Idle connections kept: as many as a download ever has requests under way at one peer. */
const MAX_IDLE = 16;

/**
 * A peer over plain sockets: ordinary Connect unary calls (binary, HTTP/1.1, keep-alive), read so that a piece is
 * never put together in memory: the sink gets the bytes of each read of a socket. Answers in another form (chunked,
 * other content types, unknown fields) go to the fallback. TLS and proxies are not supported.
 */
export function socketPeer(options: FallbackPeerOptions): RemotePeer {
  return new FallbackPeer(options, new SocketChannel(options));
}

class SocketChannel implements PieceChannel {
  readonly transport = "connect";
  readonly #url: string;
  readonly #connection: ConnectionOptions;
  readonly #idle: Http1Connection[] = [];
  readonly #busy = new Set<Http1Connection>();
  #closed = false;

  constructor({ url, lookup }: Pick<FallbackPeerOptions, "url" | "lookup">) {
    this.#url = url;
    this.#connection = {
      Failure: PeerFailed,
      lookup,
      stallMs: STALL_MS,
      unreachable: (cause) => unreachable(url, cause),
      closed: () => closedBy(url),
      malformed: (problem) => new PeerFailed("internal", problem),
    };
  }

  async getPiece(...[request, sink, limits, signal]: Parameters<PieceChannel["getPiece"]>): Promise<void> {
    const reused = this.#takeIdle();
    const connection = reused ?? new Http1Connection(this.#url, this.#connection);
    this.#busy.add(connection);
    try {
      await connection.call(pieceCall(request, sink, limits), signal);
    } catch (cause) {
      if (signal.aborted) throw signal.reason;
      if (reused && !connection.answered) throw new LostWhileIdle("before an answer", { cause });
      throw cause;
    } finally {
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

  /** The connection that was used last and is still open. */
  #takeIdle(): Http1Connection | undefined {
    for (let idle = this.#idle.pop(); idle; idle = this.#idle.pop()) if (idle.reusable) return idle;
    return undefined;
  }
}

/** The call that asks for a piece and feeds it to the sink. */
function pieceCall(
  request: PieceRequestMessage,
  sink: PieceSink,
  { pieceLength, clock }: PieceAnswerLimits,
): UnaryCall {
  return {
    path: GET_PIECE_PATH,
    message: requestMessage(request),
    timeoutMs: callDeadlineMs(pieceLength),
    clock,
    body(head, length) {
      checkMessageLength(length, pieceLength);
      const timing = sink.timed && parseServerTiming(head.headers.get("server-timing"));
      if (timing) sink.timed?.(timing);
      return new PieceMessageReader(length, sink);
    },
  };
}

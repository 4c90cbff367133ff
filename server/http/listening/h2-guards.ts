import type { Http2Server, ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import { constants, createServer } from "node:http2";
import type { NodeExchange } from "../base/http-types.ts";
import type { Limits } from "../base/limits.ts";
import { finishCall, StreamHead, StreamReply } from "../direct/stream-call.ts";
import { TokenBucket } from "../guards/rate-limit.ts";
import type { CallHandler } from "../handling/call-handler.ts";

/**
 * An HTTP/2 server with idle timeouts and bounds on open and reset streams. Node's own has no timeouts, opens any
 * number of streams and lets a caller reset them at any rate.
 */
export function createGuardedHttp2Server(limits: Limits, calls: CallHandler): Http2Server {
  const toExchange = exchangeMaker();
  const server = createServer({
    settings: {
      maxConcurrentStreams: limits.maxStreams,
      maxHeaderListSize: limits.maxHeaderBytes,
      initialWindowSize: limits.streamWindowBytes,
    },
    maxSessionInvalidFrames: 100,
    maxSessionMemory: limits.sessionMemoryMB,
  });
  server.on("stream", (stream: GuardedStream, headers, flags, rawHeaders) => {
    guardStream(stream);
    const toNode = () => {
      stream.setTimeout(limits.idleMs, () => stream.close(constants.NGHTTP2_CANCEL));
      return toExchange(stream, headers, flags, rawHeaders);
    };
    // Set only here: the bodies of a direct call are held to their pace, and an idle session has its own timeout.
    const reply = new StreamReply(stream, () => {
      const exchange = toNode();
      if (!exchange) throw new Error("Node has answered this call by itself");
      return exchange;
    });
    stream.on("error", ignore);
    if (calls.onUnparsed(headers[":path"] ?? "", new StreamHead(stream, headers), stream, reply)) return;
    const exchange = toNode();
    if (exchange) calls.onRequest(exchange.request, exchange.response);
  });
  server.on("sessionError", ignore);
  server.on("session", (session) => guardSession(session, limits));
  return server;
}

/**
 * Returns a function that takes the arguments of a "stream" event and makes Node's request and response of them.
 * Undefined: Node has answered by itself, as it does to CONNECT (405) and to an unknown Expect header (417).
 */
function exchangeMaker(): (...stream: unknown[]) => NodeExchange | undefined {
  let made: NodeExchange | undefined;
  // This server never listens. Node makes both objects synchronously, within emit().
  const server = createServer((request, response) => {
    made = { request, response };
  });
  return (...stream) => {
    // An exchange of an earlier stream must never be answered again.
    made = undefined;
    server.emit("stream", ...stream);
    return made;
  };
}

function guardSession(session: GuardedSession, limits: Limits): void {
  session.on("error", ignore);
  session.setLocalWindowSize(limits.connectionWindowBytes);
  session.setTimeout(limits.idleMs, () => {
    session.close();
    // A peer that never reads the GOAWAY of close() would keep the session open.
    setTimeout(() => session.destroy(), 1000).unref();
  });
  const resets = new TokenBucket(limits.resetBurst, limits.resetsPerSecond, performance.now());
  session[kGuard] = { session, resets };
}

interface SessionGuard {
  readonly session: ServerHttp2Session;
  readonly resets: TokenBucket;
}

const kGuard = Symbol("guard");

interface GuardedSession extends ServerHttp2Session {
  [kGuard]?: SessionGuard;
}

interface GuardedStream extends ServerHttp2Stream {
  [kGuard]?: SessionGuard | undefined;
}

function guardStream(stream: GuardedStream): void {
  // Undefined if the session has ended meanwhile.
  stream[kGuard] = (stream.session as GuardedSession | undefined)?.[kGuard];
  stream.on("close", onStreamClose);
}

/** Keep it a module-level function, shared by all streams: see docs/v8.md. */
function onStreamClose(this: GuardedStream): void {
  finishCall(this);
  const guard = this[kGuard];
  if (this.rstCode !== constants.NGHTTP2_CANCEL || !guard) return;
  if (guard.resets.take(performance.now()) > 0) guard.session.destroy();
}

function ignore(): void {}

import type { Http2Server, ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import { constants, createServer } from "node:http2";
import type { NodeExchange } from "../base/http-types.ts";
import type { Limits } from "../base/limits.ts";
import { finishCall, StreamHead, StreamReply } from "../direct/stream-call.ts";
import type { CallHandler } from "../handling/call-handler.ts";

/**
 * An HTTP/2 server that gives up on callers by itself: Node's never times anything out, opens any number of streams
 * and lets a caller reset them as fast as it likes.
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
    // A direct call needs no timeout: it is under the clock of its bodies, and an idle session ends by its own.
    const reply = new StreamReply(stream, toNode);
    stream.on("error", ignore);
    if (calls.onStream(headers[":path"] ?? "", new StreamHead(stream, headers), stream, reply, reply)) return;
    const exchange = toNode();
    calls.onRequest(exchange.request, exchange.response);
  });
  server.on("sessionError", ignore);
  server.on("session", (session) => guardSession(session, limits));
  return server;
}

/** Returns a function that makes Node's request and response of a stream: it takes what "stream" brings. */
function exchangeMaker(): (...stream: unknown[]) => NodeExchange {
  let made: NodeExchange | undefined;
  // Never listens. Node makes both at once, within emit().
  const server = createServer((request, response) => {
    made = { request, response };
  });
  return (...stream) => {
    server.emit("stream", ...stream);
    return made!;
  };
}

function guardSession(session: GuardedSession, limits: Limits): void {
  session.on("error", ignore);
  session.setLocalWindowSize(limits.connectionWindowBytes);
  session.setTimeout(limits.idleMs, () => {
    session.close();
    // Destroyed also after close(): its GOAWAY may never be read.
    setTimeout(() => session.destroy(), 1000).unref();
  });
  session[kGuard] = { session, resets: resetBucket(limits) };
}

interface SessionGuard {
  readonly session: ServerHttp2Session;
  /** Says whether one more reset is bearable. */
  readonly resets: () => boolean;
}

const kGuard = Symbol("guard");

interface GuardedSession extends ServerHttp2Session {
  [kGuard]?: SessionGuard;
}

interface GuardedStream extends ServerHttp2Stream {
  [kGuard]?: SessionGuard | undefined;
}

function guardStream(stream: GuardedStream): void {
  // Its session may have ended meanwhile, and no longer counts.
  stream[kGuard] = (stream.session as GuardedSession | undefined)?.[kGuard];
  stream.on("close", onStreamClose);
}

/** A function of no call's own, as all that listen to streams: see stream-call.ts. */
function onStreamClose(this: GuardedStream): void {
  finishCall(this);
  const guard = this[kGuard];
  if (this.rstCode === constants.NGHTTP2_CANCEL && guard?.resets() === false) guard.session.destroy();
}

function ignore(): void {}

/** Says whether one more reset is bearable. */
function resetBucket(limits: Limits): () => boolean {
  let tokens = limits.resetBurst;
  let atMs = performance.now();
  return () => {
    const nowMs = performance.now();
    tokens = Math.min(limits.resetBurst, tokens + ((nowMs - atMs) / 1000) * limits.resetsPerSecond);
    atMs = nowMs;
    tokens -= 1;
    return tokens >= 0;
  };
}

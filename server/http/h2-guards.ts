import type { Http2Server, ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import { constants, createServer } from "node:http2";
import type { Limits } from "./limits.ts";
import type { RequestHandler } from "./request-handler.ts";
import { streamCall } from "./stream-call.ts";

/**
 * An HTTP/2 server that gives up on callers by itself: Node's never times anything out, opens any number of streams
 * and lets a caller reset them as fast as it likes.
 */
export function createGuardedHttp2Server(
  limits: Limits,
  { onRequest, onShort }: RequestHandler,
): Http2Server {
  // Never listens: it makes requests of the streams that it is given.
  const requests = createServer(onRequest);
  const server = createServer({
    settings: {
      maxConcurrentStreams: limits.maxStreams,
      maxHeaderListSize: limits.maxHeaderBytes,
      initialWindowSize: limits.streamWindowBytes,
    },
    maxSessionInvalidFrames: 100,
    maxSessionMemory: limits.sessionMemoryMB,
  });
  server.on("stream", (stream, headers, flags, rawHeaders) => {
    const cancel = () => stream.close(constants.NGHTTP2_CANCEL);
    const asRequest = () => {
      stream.setTimeout(limits.idleMs, cancel);
      requests.emit("stream", stream, headers, flags, rawHeaders);
    };
    // A short call is under the clock of its bodies, and a session ends with its last sign of life.
    const answered = onShort(headers[":path"] ?? "", streamCall(stream, headers), {
      origin: stream,
      kill: cancel,
    });
    if (!answered) return asRequest();
    stream.on("error", ignore);
    void answered.then((isAnswered) => isAnswered || stream.destroyed || asRequest());
  });
  server.on("sessionError", ignore);
  server.on("session", (session) => guardSession(session, limits));
  return server;
}

function guardSession(session: ServerHttp2Session, limits: Limits): void {
  session.on("error", ignore);
  session.setLocalWindowSize(limits.connectionWindowBytes);
  let streams = 0;
  session.setTimeout(limits.idleMs, () => {
    if (streams === 0) session.close();
    // Destroyed also after close(): its GOAWAY may never be read.
    setTimeout(() => session.destroy(), 1000).unref();
  });
  const resets = resetBucket(limits);
  session.on("stream", (stream: ServerHttp2Stream) => {
    streams++;
    stream.once("close", () => {
      streams--;
      if (stream.rstCode === constants.NGHTTP2_CANCEL && !resets()) session.destroy();
    });
  });
}

/** A function of no call's own: an error's listener stays with a stream for as long as there is one. */
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

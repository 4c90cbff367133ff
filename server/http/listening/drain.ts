import type { Server as HttpServer } from "node:http";
import type { Http2Server, ServerHttp2Session } from "node:http2";
import type net from "node:net";
import { setTimeout } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import type { FastPath } from "./fast-path.ts";

/** Time for calls that are aborted at the end of the grace period to send their error. */
const LAST_WORDS_MS = 200;
const IDLE_CHECK_MS = 20;

/** The signals that end calls while a server closes. Handlers see them as the signal of their context. */
export class Shutdown {
  /** Aborted at once, because streams may never end by themselves. */
  readonly streams = new AbortController();
  /** Aborted at the end of the grace period. */
  readonly calls = new AbortController();
}

export interface Drained {
  readonly port: net.Server;
  readonly h1: HttpServer;
  readonly h2: Http2Server;
  readonly fastPath: FastPath;
}

/**
 * Returns a function that closes a port and everything on it. Create it before the port listens: it has to see every
 * connection.
 */
export function createDrain({ port, h1, h2, fastPath }: Drained, shutdown: Shutdown) {
  const sockets = new Set<net.Socket>();
  const sessions = new Set<ServerHttp2Session>();
  port.on("connection", (socket: net.Socket) => keepUntilClose(sockets, socket));
  h2.on("session", (session) => keepUntilClose(sessions, session));

  return async function drain(graceMs: number): Promise<void> {
    const gone = new Promise<void>((resolve) => port.close(() => resolve()));
    shutdown.streams.abort(going());
    const endIdle = () => {
      h1.closeIdleConnections();
      fastPath.closeIdle();
      // close() sends GOAWAY: running calls go on, new ones are refused.
      for (const session of sessions) if (!session.closed) session.close();
      // A connection without a first byte belongs to no server yet.
      for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy();
    };
    endIdle();
    // Repeated, because calls end and connections that were on their way in arrive.
    const idle = setInterval(endIdle, IDLE_CHECK_MS);
    if (!(await within(gone, graceMs))) {
      shutdown.calls.abort(going());
      await within(gone, Math.min(graceMs, LAST_WORDS_MS));
    }
    clearInterval(idle);
    for (const socket of sockets) socket.destroy();
    // Stops the timer for slow headers. h1 has never listened, so it has nothing else to close.
    h1.close();
    await gone;
  };
}

function going(): ConnectError {
  return new ConnectError("this server is going down", Code.Unavailable);
}

function keepUntilClose<T extends { once(event: "close", fn: () => void): unknown }>(
  all: Set<T>,
  one: T,
): void {
  all.add(one);
  one.once("close", () => all.delete(one));
}

/** Whether `done` resolves within `ms`. */
async function within(done: Promise<void>, ms: number): Promise<boolean> {
  const over = new AbortController();
  const late = setTimeout(ms, false, { signal: over.signal }).catch(() => false);
  const isDone = await Promise.race([done.then(() => true), late]);
  over.abort();
  return isDone;
}

import type { Server as HttpServer } from "node:http";
import type { Http2Server, ServerHttp2Session } from "node:http2";
import type net from "node:net";
import { Code, ConnectError } from "@connectrpc/connect";
import type { FastPath } from "./fast-path.ts";

/** Calls that are told to stop at the end of the grace period get so long to say so to their callers. */
const LAST_WORDS_MS = 200;
const IDLE_CHECK_MS = 20;

/** Aborted in this order while a server closes; handlers see them as their context's signal. */
export class Shutdown {
  /** Ends streams, which would otherwise go on for ever. */
  readonly streams = new AbortController();
  /** Ends what has not finished by itself. */
  readonly calls = new AbortController();
}

export interface Drained {
  readonly port: net.Server;
  readonly h1: HttpServer;
  readonly h2: Http2Server;
  readonly fastPath: FastPath;
}

/** Ends a port and everything on it. Make it before the port listens: it has to see every connection. */
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
      // GOAWAY: no new calls, the running ones go on.
      for (const session of sessions) if (!session.closed) session.close();
      // Accepted and silent: belongs to neither yet.
      for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy();
    };
    endIdle();
    // Again and again: calls end, and what was on its way in when the port closed arrives.
    const idle = setInterval(endIdle, IDLE_CHECK_MS);
    if (!(await within(gone, graceMs))) {
      shutdown.calls.abort(going());
      await within(gone, Math.min(graceMs, LAST_WORDS_MS));
    }
    clearInterval(idle);
    for (const socket of sockets) socket.destroy();
    // Stops the timer that checks for slow headers; it never listened, so there is nothing else to close.
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

/** Whether the promise resolves in time. */
async function within(done: Promise<void>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  try {
    return await Promise.race([done.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}

import "./guard-http2.ts";
import http from "node:http";
import type { ClientHttp2Stream } from "node:http2";
import https from "node:https";
import type net from "node:net";
import tls from "node:tls";
import { Code, ConnectError, type Interceptor, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  Http2SessionManager,
} from "@connectrpc/connect-node";
import { MIN_TLS_VERSION } from "../base/no-tls.ts";
import { everythingThrough, proxyFor } from "./proxy.ts";
import { NoTunnel, Tunnels } from "./proxy-tunnel.ts";
import { tellTlsProblems } from "./tls-problem.ts";

export type TransportKind = "grpc" | "grpc-web" | "connect";

export interface TransportOptions {
  /** PEM of an authority to trust besides the system's, for https. */
  readonly ca?: string | Buffer | undefined;
  /** Largest answer, in bytes; a larger one fails before it is in memory. Default 16 MiB + 1 KiB, the largest piece. */
  readonly readMaxBytes?: number | undefined;
  /** Bearer token that goes with every call. */
  readonly token?: string | undefined;
  /** A connection or stream without a byte for so long fails. Default 10,000; more for watches, 0 for never. */
  readonly stallMs?: number | undefined;
  /** What the host's name means, where that has been decided already. Default: the system's word. */
  readonly lookup?: net.LookupFunction | undefined;
  /** Through no proxy, whatever the environment says: where it matters who is reached from here. Default false. */
  readonly direct?: boolean | undefined;
}

export interface OpenTransport {
  readonly transport: Transport;
  /** Ends its connections; calls under way fail. */
  close(): void;
}

const DEFAULT_READ_MAX_BYTES = (16 << 20) + (1 << 10);
const DEFAULT_STALL_MS = 10_000;
/** What a peer may send ahead of us, for one call and for the connection. Node's 64 KiB give 1 MiB/s over 50 ms. */
const STREAM_WINDOW_BYTES = 16 << 20;
const CONNECTION_WINDOW_BYTES = 32 << 20;
/** Connections to one server over HTTP/1.1; more calls than that wait. */
const MAX_SOCKETS = 16;
/** Below the server's 60 s, so that we leave before it sends us away. */
const IDLE_CONNECTION_MS = 30_000;
const PING_INTERVAL_MS = 20_000;

/**
 * Opens no connection yet. `url`: scheme, host and port of one server, reached through the proxy that the environment
 * names for it. Throws InvalidField if that is none.
 */
export function openTransport(
  url: string,
  kind: TransportKind,
  options: TransportOptions = {},
): OpenTransport {
  const common = {
    baseUrl: url,
    acceptCompression: [],
    readMaxBytes: options.readMaxBytes ?? DEFAULT_READ_MAX_BYTES,
    interceptors: [tellTlsProblems, ...(options.token === undefined ? [] : [bearer(options.token)])],
  };
  const stallMs = options.stallMs ?? DEFAULT_STALL_MS;
  const { lookup } = options;
  const ca = options.ca === undefined ? undefined : [...tls.getCACertificates("default"), options.ca];
  const socket: SocketOptions = {
    minVersion: MIN_TLS_VERSION,
    ...(ca !== undefined && { ca }),
    ...(lookup && { lookup }),
  };
  const proxy = options.direct ? undefined : proxyFor(url);
  if (kind === "grpc") {
    const tunnels = proxy && new Tunnels(url, proxy, socket);
    const sessionManager = new TunedSessions(url, stallMs, socket, tunnels);
    return {
      transport: createGrpcTransport({ ...common, sessionManager }),
      close: () => sessionManager.abort(),
    };
  }
  const agent = createAgent(url, stallMs, {
    ...socket,
    ...(proxy && { proxyEnv: everythingThrough(proxy) }),
  });
  const create = kind === "grpc-web" ? createGrpcWebTransport : createConnectTransport;
  return {
    transport: create({ ...common, httpVersion: "1.1", nodeOptions: { agent } }),
    close: () => agent.destroy(),
  };
}

/** How connections are opened. */
interface SocketOptions {
  readonly minVersion: typeof MIN_TLS_VERSION;
  readonly ca?: (string | Buffer)[];
  readonly lookup?: net.LookupFunction;
}

/** HTTP/2 connections with windows that fill a long link, and streams that do not wait for ever. */
class TunedSessions extends Http2SessionManager {
  readonly #stallMs: number;
  readonly #tunnels: Tunnels | undefined;
  readonly #tuned = new WeakSet<object>();

  constructor(url: string, stallMs: number, socket: SocketOptions, tunnels?: Tunnels) {
    super(
      url,
      { pingIntervalMs: PING_INTERVAL_MS, idleConnectionTimeoutMs: IDLE_CONNECTION_MS },
      {
        settings: { initialWindowSize: STREAM_WINDOW_BYTES },
        ...socket,
        ...(tunnels && { createConnection: tunnels.connect }),
      },
    );
    this.#stallMs = stallMs;
    this.#tunnels = tunnels;
  }

  override async request(...args: Parameters<Http2SessionManager["request"]>): Promise<ClientHttp2Stream> {
    const stream = await this.#open(args);
    const { session } = stream;
    if (session && !this.#tuned.has(session)) {
      this.#tuned.add(session);
      session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
    }
    if (this.#stallMs > 0) stream.setTimeout(this.#stallMs, () => stream.destroy(stalled(this.#stallMs)));
    return stream;
  }

  override abort(reason?: Error): void {
    this.#tunnels?.close();
    super.abort(reason);
  }

  async #open(args: Parameters<Http2SessionManager["request"]>): Promise<ClientHttp2Stream> {
    for (;;) {
      try {
        return await super.request(...args);
      } catch (error) {
        if (!(error instanceof NoTunnel)) throw error;
      }
      await this.#tunnels?.open();
    }
  }
}

function createAgent(
  url: string,
  stallMs: number,
  socket: SocketOptions & { readonly proxyEnv?: NodeJS.ProcessEnv },
): http.Agent {
  const options = {
    keepAlive: true,
    maxSockets: MAX_SOCKETS,
    // Also on sockets that wait for their next call; there it just closes them.
    ...(stallMs > 0 && { timeout: stallMs }),
    ...socket,
  };
  const agent = url.startsWith("https:") ? new https.Agent(options) : new http.Agent(options);
  const createConnection = agent.createConnection.bind(agent);
  agent.createConnection = (...args: Parameters<typeof createConnection>) => {
    const socket = createConnection(...args) as net.Socket;
    socket.on("timeout", () => socket.destroy(stalled(stallMs)));
    return socket;
  };
  return agent;
}

function stalled(ms: number): ConnectError {
  return new ConnectError(`no byte for ${ms} ms`, Code.DeadlineExceeded);
}

function bearer(token: string): Interceptor {
  return (next) => (request) => {
    request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  };
}

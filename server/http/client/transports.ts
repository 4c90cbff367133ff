import "./guard-http2.ts";
import type http from "node:http";
import type { ClientHttp2Stream } from "node:http2";
import type net from "node:net";
import { Code, ConnectError, type Interceptor, type Transport } from "@connectrpc/connect";
import type { UniversalClientFn } from "@connectrpc/connect/protocol";
import { createTransport as createConnectTransport } from "@connectrpc/connect/protocol-connect";
import { createTransport as createGrpcTransport } from "@connectrpc/connect/protocol-grpc";
import { createTransport as createGrpcWebTransport } from "@connectrpc/connect/protocol-grpc-web";
import { createNodeHttpClient, Http2SessionManager } from "@connectrpc/connect-node";
import { checkedBody } from "#core/rpc/checked-answers.ts";
import { MIN_TLS_VERSION } from "../base/no-tls.ts";
import { rememberCaller, tellBytes, tellBytesOf } from "./arriving.ts";
import { boundInterimAnswers } from "./interim-answers.ts";
import { proxyFor } from "./proxy.ts";
import { agentThrough, trusting } from "./proxy-agent.ts";
import { NoTunnel, Tunnels } from "./proxy-tunnel.ts";
import { tellTlsProblems } from "./tls-problem.ts";

export type TransportKind = "grpc" | "grpc-web" | "connect";

export interface TransportOptions {
  /** PEM of an authority that https trusts besides the system's. */
  readonly ca?: string | Buffer | undefined;
  /** Largest answer in bytes; a larger one fails unread. Default: 16 MiB + 1 KiB, for the largest piece. */
  readonly readMaxBytes?: number | undefined;
  /** Bearer token that is sent with every call. */
  readonly token?: string | undefined;
  /** Silence after which a connection or a stream fails; 0 means never. Default 10,000; watches need more. */
  readonly stallMs?: number | undefined;
  /** Resolves the host's name. Default: the system's resolver. */
  readonly lookup?: net.LookupFunction | undefined;
  /** True: connects without the environment's proxy, to find out what this machine itself reaches. Default false. */
  readonly direct?: boolean | undefined;
}

export interface OpenTransport {
  readonly transport: Transport;
  /** Closes the connections. Running calls fail. */
  close(): void;
}

const DEFAULT_READ_MAX_BYTES = (16 << 20) + (1 << 10);
const DEFAULT_STALL_MS = 10_000;
/** HTTP/2 flow-control windows for answers. Node's default of 64 KiB gives 1 MiB/s over a round trip of 50 ms. */
const STREAM_WINDOW_BYTES = 16 << 20;
const CONNECTION_WINDOW_BYTES = 32 << 20;
/** Connections to one server over HTTP/1.1. Further calls wait. */
const MAX_SOCKETS = 16;
/** Less than the server's 60 s (limits.idleMs), so that the client closes an idle connection first. */
const IDLE_CONNECTION_MS = 30_000;
const PING_INTERVAL_MS = 20_000;

/**
 * Makes a transport to one server; `url` has its scheme, host and port. Opens no connection before the first call,
 * and connects through the environment's proxy (see proxyFor, whose InvalidField this throws).
 */
export function openTransport(
  url: string,
  kind: TransportKind,
  options: TransportOptions = {},
): OpenTransport {
  const { token, stallMs = DEFAULT_STALL_MS, readMaxBytes = DEFAULT_READ_MAX_BYTES, lookup } = options;
  const interceptors = [tellTlsProblems, rememberCaller, ...(token === undefined ? [] : [bearer(token)])];
  const common = { ...PLAIN, baseUrl: url, readMaxBytes, interceptors };
  const proxy = options.direct ? undefined : proxyFor(url);
  const socket: SocketOptions = {
    minVersion: MIN_TLS_VERSION,
    ...trusting(options.ca),
    // A proxy looks the name up itself; here, the lookup would be of the proxy's name.
    ...(lookup && !proxy && { lookup }),
  };
  if (kind === "grpc") {
    const tunnels = proxy && new Tunnels(url, proxy, socket);
    const sessionManager = new TunedSessions(url, stallMs, socket, tunnels);
    return {
      transport: createGrpcTransport({
        ...common,
        httpClient: checking(
          createNodeHttpClient({ httpVersion: "2", sessionProvider: () => sessionManager }),
          readMaxBytes,
        ),
      }),
      close: () => sessionManager.abort(),
    };
  }
  const agent = createAgent(url, proxy, stallMs, socket);
  const create = kind === "grpc-web" ? createGrpcWebTransport : createConnectTransport;
  return {
    transport: create({
      ...common,
      httpClient: checking(
        createNodeHttpClient({ httpVersion: "1.1", nodeOptions: { agent } }),
        readMaxBytes,
      ),
    }),
    close: () => agent.destroy(),
  };
}

/** Binary messages without compression, as short or as long as they are. */
const PLAIN = {
  useBinaryFormat: true,
  acceptCompression: [],
  sendCompression: null,
  compressMinBytes: Number.MAX_SAFE_INTEGER,
  writeMaxBytes: 0xffff_ffff,
};

/** Counts the values of every answer before the library decodes it. */
function checking(client: UniversalClientFn, limitBytes: number): UniversalClientFn {
  return async (request) => {
    const { status, header, body, ...rest } = await client(request);
    const answer = { url: request.url, status, contentType: header.get("content-type"), limitBytes };
    return { ...rest, status, header, body: checkedBody(answer, body) ?? body };
  };
}

interface SocketOptions {
  readonly minVersion: typeof MIN_TLS_VERSION;
  readonly ca?: (string | Buffer)[];
  readonly lookup?: net.LookupFunction;
}

/** HTTP/2 connections with large flow-control windows, whose streams fail after `stallMs` of silence. */
class TunedSessions extends Http2SessionManager {
  /** Node would leave out the brackets of an IPv6 address. */
  readonly #named: { readonly ":authority": string };
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
    this.#named = { ":authority": new URL(url).host };
    this.#stallMs = stallMs;
    this.#tunnels = tunnels;
  }

  override async request(...args: Parameters<Http2SessionManager["request"]>): Promise<ClientHttp2Stream> {
    const stream = await this.#open(args);
    tellBytes(stream);
    boundInterimAnswers(stream);
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

  /** Opens a stream. Through a proxy, a session fails with NoTunnel until a tunnel is open for it. */
  async #open([method, path, headers, options]: Parameters<
    Http2SessionManager["request"]
  >): Promise<ClientHttp2Stream> {
    for (;;) {
      try {
        return await super.request(method, path, { ...this.#named, ...headers }, options);
      } catch (error) {
        if (!(error instanceof NoTunnel)) throw error;
      }
      await this.#tunnels?.open();
    }
  }
}

function createAgent(
  url: string,
  proxy: URL | undefined,
  stallMs: number,
  options: SocketOptions,
): http.Agent {
  const agent = agentThrough(proxy, url, {
    keepAlive: true,
    maxSockets: MAX_SOCKETS,
    // Applies to idle sockets too, which it only closes.
    ...(stallMs > 0 && { timeout: stallMs }),
    ...options,
  });
  tellBytesOf(agent);
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

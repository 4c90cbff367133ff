import { type EventEmitter, once } from "node:events";
import { createServer as createHttp1Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { withBrackets } from "#core/base/host.ts";
import { createCallerOf } from "../base/caller.ts";
import { limits as defaults, type Limits } from "../base/limits.ts";
import { isWildcard, outerAddress } from "../base/outer-address.ts";
import { Cors, hostCheck } from "../guards/origins.ts";
import { CallRate, sharedRate } from "../guards/rate-limit.ts";
import { CallHandler, type CallHandlerOptions } from "../handling/call-handler.ts";
import { HealthState } from "../handling/health.ts";
import { createHandlers } from "../handling/library.ts";
import type { RunningServer, ServerOptions } from "../handling/options.ts";
import { reflectionOf } from "../handling/reflection.ts";
import type { ServedService } from "../handling/served-service.ts";
import { Certificate } from "./certificate.ts";
import { createDrain, Shutdown } from "./drain.ts";
import { FastPath } from "./fast-path.ts";
import { createGuardedHttp2Server } from "./h2-guards.ts";
import { createPort, type TlsPort } from "./port-sniffer.ts";

export type { LogEvent } from "../base/log.ts";
export type { EdgeOptions, RunningServer, ServerOptions } from "../handling/options.ts";

const DEFAULT_HOST = "127.0.0.1";
const DEFAULT_GRACE_MS = 10_000;
const CERTIFICATE_CHECK_MS = 10_000;

/**
 * Starts a server on one port that answers gRPC, gRPC-Web, Connect and plain HTTP over HTTP/1.1 and HTTP/2. Rejects
 * with the system's error if the port is taken, and with PiezaError if the certificate does not fit its key.
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const host = options.host ?? DEFAULT_HOST;
  const limits: Limits = { ...defaults, ...options.limits };
  const log = options.log ?? (() => {});
  const certificate = await Certificate.open(options);
  const shutdown = new Shutdown();
  const health = new HealthState(options.services.map(({ service }) => service.typeName));
  const services = withStandardServices(options.services, health);
  const signals = { unary: shutdown.calls.signal, streams: shutdown.streams.signal };
  const calls = new CallHandler({
    services,
    handlers: createHandlers(services, limits, signals, log),
    direct: options.direct,
    http: options.http,
    namedHost: hostCheck({ ...options, host }),
    cors: new Cors({ ...options, host, tls: certificate !== undefined }),
    health,
    callerOf: createCallerOf(options.trustedProxies),
    ...ratesOf(options, limits),
    limits,
    log,
  });
  const h1 = createHttp1Server(http1Options(limits), (request, response) =>
    calls.onRequest(request, response),
  );
  h1.setTimeout(limits.idleMs);
  const h2 = createGuardedHttp2Server(limits, calls);
  // Node starts the timeouts of an http.Server when it listens, which this one never does.
  h1.emit("listening");
  const toNode = (socket: Socket, begun: Buffer) => handOver(h1, socket, begun);
  const fastPath = new FastPath({ limits, calls, toNode });
  const servers = {
    h1: hasDirect(options) ? (socket: Socket, begun: Buffer) => fastPath.serve(socket, begun) : toNode,
    h2: (socket: Socket, begun: Buffer) => handOver(h2, socket, begun),
  };
  const port = createPort(servers, limits, certificate);
  const drain = createDrain({ port, h1, h2, fastPath }, shutdown);
  port.listen(options.port, host);
  await once(port, "listening").catch((error) => {
    h1.close();
    throw error;
  });
  health.set(true);
  const everyMs = options.certificateCheckMs ?? CERTIFICATE_CHECK_MS;
  const stopFollowing = certificate?.follow(port as TlsPort, everyMs, log);

  const bound = port.address() as AddressInfo;
  let closed: Promise<void> | undefined;
  return {
    url: options.publicUrl?.replace(/\/+$/, "") ?? urlOf(certificate !== undefined, host, bound.port),
    address: bound.address,
    port: bound.port,
    setHealth: (serving) => health.set(serving),
    close({ graceMs = DEFAULT_GRACE_MS } = {}) {
      health.set(false);
      stopFollowing?.();
      closed ??= drain(graceMs);
      return closed;
    },
  };
}

/** The services, then health and reflection, which every server has. */
function withStandardServices(
  services: readonly ServedService[],
  health: HealthState,
): readonly ServedService[] {
  const all = [...services, health.service];
  return [...all, reflectionOf(all.map(({ service }) => service))];
}

function hasDirect({ services, direct }: ServerOptions): boolean {
  return direct !== false && services.some((served) => Object.keys(served.direct).length > 0);
}

/** Gives a server a connection that it has not accepted itself, after putting back the bytes that were read. */
function handOver(server: EventEmitter, socket: Socket, begun: Buffer): void {
  if (begun.length > 0) socket.unshift(begun);
  server.emit("connection", socket);
}

function ratesOf({ rateLimit, shareRate }: ServerOptions, limits: Limits): Rates {
  if (rateLimit === false) return { takeRate: () => 0, chargeRate: () => {} };
  const { changesBurst, changesPerSecond } = limits;
  const own = new CallRate(changesBurst, changesPerSecond);
  return {
    takeRate: sharedRate(own, shareRate?.(changesBurst, changesPerSecond)),
    chargeRate: (address, bytes) => own.charge(address, Math.floor(bytes / limits.requestBytes)),
  };
}

type Rates = Pick<CallHandlerOptions, "takeRate" | "chargeRate">;

function http1Options(limits: Limits) {
  return {
    maxHeaderSize: limits.maxHeaderBytes,
    // Of two Host headers (RFC 9112, 3.2) or two tokens Node would take the first; joined, they are malformed.
    joinDuplicateHeaders: true,
    headersTimeout: limits.headersMs,
    // Pace ends slow bodies; this ends a request whose body nobody reads.
    requestTimeout: limits.maxTimeoutMs,
    keepAliveTimeout: limits.keepAliveMs,
    connectionsCheckingInterval: Math.min(1000, limits.headersMs / 2),
  };
}

/** The server's URL. On a wildcard bind its host is this machine's outer address, or loopback if there is none. */
function urlOf(isTls: boolean, host: string, port: number): string {
  const loopback = host === "::" ? "::1" : "127.0.0.1";
  const name = isWildcard(host) ? (outerAddress(host) ?? loopback) : host;
  return `${isTls ? "https" : "http"}://${withBrackets(name)}:${port}`;
}

import { type EventEmitter, once } from "node:events";
import { createServer as createHttp1Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { DescMethod } from "@bufbuild/protobuf";
import type { ConnectRouter, HandlerContext, Interceptor } from "@connectrpc/connect";
import type { UniversalHandlerOptions } from "@connectrpc/connect/protocol";
import { compressionGzip } from "@connectrpc/connect-node";
import { PiezaError } from "#core/base/errors.ts";
import { Health } from "#gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "#gen/grpc/reflection/v1/reflection_pb.ts";
import { createCallerOf } from "../base/caller.ts";
import { toConnectError } from "../base/connect-error.ts";
import { kCallerAddress } from "../base/context.ts";
import { hostCheck } from "../base/host-names.ts";
import { limits as defaults, type Limits, rateLimited, requestBytesOf } from "../base/limits.ts";
import type { Log } from "../base/log.ts";
import { isWildcard, outerAddress } from "../base/outer-address.ts";
import { type Admit, kAdmitted, kDirectFailure } from "../direct/direct.ts";
import { Cors } from "../guards/cors.ts";
import { RateLimit, sharedRate } from "../guards/rate-limit.ts";
import { HealthState } from "../handling/health.ts";
import { createLimitedRouter } from "../handling/limited-router.ts";
import type { RunningServer, ServerOptions } from "../handling/options.ts";
import { registerReflection } from "../handling/reflection.ts";
import { reportErrors } from "../handling/report-errors.ts";
import { createRequestHandler } from "../handling/request-handler.ts";
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
 * Starts one port that answers gRPC, gRPC-Web and Connect, over HTTP/1.1 and HTTP/2 alike, and plain HTTP beside them.
 * Fails with the system's error when the port is taken, and with PiezaError for a certificate that does not fit its key.
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const host = options.host ?? DEFAULT_HOST;
  const limits: Limits = { ...defaults, ...options.limits };
  const log = options.log ?? (() => {});
  const certificate = await Certificate.open(options);
  const shutdown = new Shutdown();
  const health = new HealthState(options.services.map((service) => service.typeName));
  const admit = createAdmit(options, limits);
  const router = createRouter(limits, shutdown, { log, admit });
  options.routes(router);
  health.register(router);
  registerReflection(router, [...options.services, Health, ServerReflection]);

  const requestHandler = createRequestHandler({
    handlers: router.handlers,
    direct: options.direct,
    http: options.http,
    knowsHost: hostCheck({ ...options, host }),
    cors: new Cors(options.allowOrigins),
    health,
    callerOf: createCallerOf(options.trustedProxies),
    admit,
    limits,
    log,
  });
  const h1 = createHttp1Server(http1Options(limits), requestHandler.onRequest);
  h1.setTimeout(limits.idleMs);
  const h2 = createGuardedHttp2Server(limits, requestHandler);
  // An http.Server that does not listen enforces none of its timeouts unless it believes that it does.
  h1.emit("listening");
  const toNode = (socket: Socket, begun: Buffer) => handOver(h1, socket, begun);
  const fastPath = new FastPath({ limits, answer: requestHandler.onShort, toNode });
  const servers = {
    h1: options.direct ? (socket: Socket, begun: Buffer) => fastPath.serve(socket, begun) : toNode,
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

  const bound = (port.address() as AddressInfo).port;
  let closed: Promise<void> | undefined;
  return {
    url: options.publicUrl?.replace(/\/+$/, "") ?? urlOf(certificate !== undefined, host, bound),
    port: bound,
    setHealth: (serving) => health.set(serving),
    close({ graceMs = DEFAULT_GRACE_MS } = {}) {
      health.set(false);
      stopFollowing?.();
      closed ??= drain(graceMs);
      return closed;
    },
  };
}

/** Gives a server a connection that it did not accept itself, as if nothing had been read of it. */
function handOver(server: EventEmitter, socket: Socket, begun: Buffer): void {
  if (begun.length > 0) socket.unshift(begun);
  server.emit("connection", socket);
}

function createAdmit({ rateLimit, shareRate }: ServerOptions, limits: Limits): Admit {
  if (rateLimit === false) return () => undefined;
  const { changesBurst, changesPerSecond } = limits;
  const own = new RateLimit(changesBurst, changesPerSecond);
  const take = sharedRate(own, shareRate?.(changesBurst, changesPerSecond));
  return (address) => {
    const waitMs = take(address);
    return typeof waitMs === "number" ? admitAfter(waitMs) : waitMs.then(admitAfter);
  };
}

function admitAfter(retryAfterMs: number): undefined {
  if (retryAfterMs === 0) return;
  throw new PiezaError("resource_exhausted", "too many calls from this address", { retryAfterMs });
}

function createRouter(
  limits: Limits,
  shutdown: Shutdown,
  { log, admit }: { log: Log; admit: Admit },
): ConnectRouter {
  const forMethod = (method: DescMethod): Partial<UniversalHandlerOptions> => ({
    readMaxBytes: requestBytesOf(method, limits.requestBytes),
    shutdownSignal: (method.methodKind === "unary" ? shutdown.calls : shutdown.streams).signal,
    ...(rateLimited(method) && { requestGate: (context: HandlerContext) => gate(admit, context) }),
  });
  return createLimitedRouter(
    {
      acceptCompression: [compressionGzip],
      maxTimeoutMs: limits.maxTimeoutMs,
      interceptors: [reportErrors(log), endWithSignal, failDirectly],
      jsonOptions: { useProtoFieldName: true },
    },
    forMethod,
  );
}

/**
 * Answers a unary call when its caller's deadline passes or the server goes, whether or not the method looks at its
 * signal: the library leaves that to the method.
 */
const endWithSignal: Interceptor = (next) => async (request) => {
  if (request.stream) return next(request);
  const { signal } = request;
  const ended = Promise.withResolvers<never>();
  const end = () => ended.reject(signal.reason);
  signal.addEventListener("abort", end, { once: true });
  try {
    return await Promise.race([next(request), ended.promise]);
  } finally {
    signal.removeEventListener("abort", end);
  }
};

/** Throws what a direct method threw, so that the library tells it as it tells every error. */
const failDirectly: Interceptor = (next) => (request) => {
  const failure = request.contextValues.get(kDirectFailure);
  if (failure) throw failure;
  return next(request);
};

/** Runs before the request's body is read. */
async function gate(admit: Admit, { values }: HandlerContext): Promise<void> {
  if (values.get(kAdmitted)) return;
  try {
    await admit(values.get(kCallerAddress));
  } catch (error) {
    throw toConnectError(error);
  }
}

function http1Options(limits: Limits) {
  return {
    maxHeaderSize: limits.maxHeaderBytes,
    headersTimeout: limits.headersMs,
    // Bodies are held to a pace of their own; this ends what nobody reads.
    requestTimeout: limits.maxTimeoutMs,
    keepAliveTimeout: limits.keepAliveMs,
    connectionsCheckingInterval: Math.min(1000, limits.headersMs / 2),
  };
}

/** On a wildcard bind, the address that others know if this machine has any. */
function urlOf(isTls: boolean, host: string, port: number): string {
  const loopback = host === "::" ? "::1" : "127.0.0.1";
  const name = isWildcard(host) ? (outerAddress(host) ?? loopback) : host;
  return `${isTls ? "https" : "http"}://${name.includes(":") ? `[${name}]` : name}:${port}`;
}

import type { Message } from "@bufbuild/protobuf";
import {
  Code,
  type ConnectError,
  createConnectRouter,
  createContextKey,
  type Interceptor,
} from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { compressionGzip } from "@connectrpc/connect-node";
import { PiezaError } from "#core/base/errors.ts";
import { toConnectError } from "../base/connect-error.ts";
import type { Limits } from "../base/limits.ts";
import { failure, type Log } from "../base/log.ts";
import { policyOf } from "../guards/policy.ts";
import { implementationOf, type ServedService } from "./served-service.ts";

/** Signals that end calls when the server closes. */
export interface ShutdownSignals {
  readonly unary: AbortSignal;
  readonly streams: AbortSignal;
}

/** Makes the library's handlers of all methods. Each handler has the request bound of its method's policy. */
export function createHandlers(
  services: readonly ServedService[],
  limits: Limits,
  shutdown: ShutdownSignals,
  log: Log,
): readonly UniversalHandler[] {
  const router = createConnectRouter({
    acceptCompression: [compressionGzip],
    maxTimeoutMs: limits.maxTimeoutMs,
    interceptors: [reportErrors(log), endWithSignal, takeDecoded],
    jsonOptions: { useProtoFieldName: true },
  });
  for (const served of services) {
    for (const method of served.service.methods) {
      router.rpc(method, implementationOf(served, method), {
        readMaxBytes: policyOf(method, served.policies[method.localName] ?? {}, limits).requestBytes,
        shutdownSignal: method.methodKind === "unary" ? shutdown.unary : shutdown.streams,
      });
    }
  }
  return router.handlers;
}

/** A message that was too long for the library to decode at once. See readMessage. */
export const kDecoded = createContextKey<Message | undefined>(undefined, { description: "decoded message" });

/** Gives the method the message that was decoded before the library saw the call. */
const takeDecoded: Interceptor = (next) => (request) => {
  const message = request.contextValues.get(kDecoded);
  return next(message && !request.stream ? { ...request, message } : request);
};

/**
 * Ends a unary call when its deadline passes or the server closes, even if its method ignores the signal. The library
 * alone would wait for the method.
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

/** Turns an error that a service throws into the error that the library sends. See reportError. */
export function reportErrors(log: Log): Interceptor {
  return (next) => async (request) => {
    const { typeName } = request.service;
    const convert = (error: unknown) =>
      reportError(error, `${typeName}.${request.method.name}`, request.signal.aborted ? ignore : log);
    try {
      const response = await next(request);
      return response.stream ? { ...response, message: converting(response.message, convert) } : response;
    } catch (error) {
      throw convert(error);
    }
  };
}

async function* converting<T>(messages: AsyncIterable<T>, convert: (error: unknown) => unknown) {
  try {
    yield* messages;
  } catch (error) {
    throw convert(error);
  }
}

/**
 * Returns the error that the caller is told for an error that a call threw (see toConnectError). Logs the error with
 * its stack unless a service has thrown it on purpose: as a PiezaError or a ConnectError.
 */
export function reportError(error: unknown, methodName: string, log: Log): ConnectError {
  const converted = toConnectError(error);
  const isOnPurpose = error instanceof PiezaError || error === converted;
  if (converted.code === Code.Internal && !isOnPurpose) log(failure("call_failed", methodName, error));
  return converted;
}

function ignore(): void {}

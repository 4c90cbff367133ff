import type { ConnectError } from "@connectrpc/connect";
import {
  codeToHttpStatus,
  createEndStreamSerialization,
  endStreamFlag,
  errorToJsonBytes,
  parseContentType as parseConnectType,
} from "@connectrpc/connect/protocol-connect";
import { parseContentType as parseGrpcType, setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import {
  parseContentType as parseGrpcWebType,
  trailerFlag,
  trailerSerialize,
} from "@connectrpc/connect/protocol-grpc-web";
import { frameHead } from "#core/rpc/wire.ts";
import type { Reply } from "../base/http-types.ts";

const endStream = createEndStreamSerialization(undefined);

/**
 * Answers a call with an error, in the protocol that the request's content-type names and in the same bytes that the
 * library would send. A request of another type (Connect's GET, a mistake) gets Connect's JSON. Call it before any of
 * the answer has been sent.
 */
export function sendRpcError(contentType: string | undefined, error: ConnectError, reply: Reply): void {
  reply.setHeader("cache-control", "no-store");
  const grpc = parseGrpcType(contentType ?? null);
  const grpcWeb = parseGrpcWebType(contentType ?? null);
  const connect = parseConnectType(contentType ?? null);
  if (grpc) {
    sendGrpcError(`application/grpc+${formatOf(grpc)}`, error, reply);
  } else if (grpcWeb && !grpcWeb.text) {
    const trailer = trailerSerialize(setTrailerStatus(new Headers(), error));
    send(reply, 200, `application/grpc-web+${formatOf(grpcWeb)}`, enveloped(trailerFlag, trailer));
  } else if (connect?.stream) {
    const end = endStream.serialize({ error, metadata: new Headers() });
    send(reply, 200, `application/connect+${formatOf(connect)}`, enveloped(endStreamFlag, end));
  } else {
    for (const [name, value] of error.metadata) reply.setHeader(name, value);
    send(reply, codeToHttpStatus(error.code), "application/json", errorToJsonBytes(error, undefined));
  }
}

/** Sends the gRPC status in trailers over HTTP/2. gRPC over HTTP/1.1 is a mistake and gets it in headers. */
function sendGrpcError(type: string, error: ConnectError, reply: Reply): void {
  reply.statusCode = 200;
  reply.setHeader("content-type", type);
  const trailers = Object.fromEntries(setTrailerStatus(new Headers(), error));
  if ("stream" in reply) reply.addTrailers(trailers);
  else for (const [name, value] of Object.entries(trailers)) reply.setHeader(name, value);
  reply.end(new Uint8Array());
}

function send(reply: Reply, status: number, type: string, body: Uint8Array): void {
  reply.statusCode = status;
  reply.setHeader("content-type", type);
  reply.setHeader("content-length", body.byteLength);
  reply.end(body);
}

function enveloped(flags: number, data: Uint8Array): Uint8Array {
  return Buffer.concat([frameHead(data.byteLength, flags), data]);
}

function formatOf({ binary }: { readonly binary: boolean }): "proto" | "json" {
  return binary ? "proto" : "json";
}

import type { ConnectError } from "@connectrpc/connect";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
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
import type { Reply } from "../base/http-types.ts";

const endStream = createEndStreamSerialization(undefined);

/**
 * Answers a call with an error, in the protocol that the content type of its request names: the same bytes that the
 * library answers with. A request of another type (Connect's GET, a mistake) gets Connect's JSON. Nothing may have been
 * sent of the answer.
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
    send(reply, 200, `application/grpc-web+${formatOf(grpcWeb)}`, encodeEnvelope(trailerFlag, trailer));
  } else if (connect?.stream) {
    const end = endStream.serialize({ error, metadata: new Headers() });
    send(reply, 200, `application/connect+${formatOf(connect)}`, encodeEnvelope(endStreamFlag, end));
  } else {
    for (const [name, value] of error.metadata) reply.setHeader(name, value);
    send(reply, codeToHttpStatus(error.code), "application/json", errorToJsonBytes(error, undefined));
  }
}

/** Over HTTP/2 the status of gRPC is in the trailers; over HTTP/1.1, which gRPC does not know, nobody reads it. */
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

function formatOf({ binary }: { readonly binary: boolean }): "proto" | "json" {
  return binary ? "proto" : "json";
}

import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { joinBytes } from "#core/base/bytes.ts";
import type { AnswerBuffers } from "#core/rpc/answer-buffers.ts";
import {
  type CappedFetchOptions,
  cappedFetch,
  cappedWhole,
  type Fetch,
  type WholeAnswer,
} from "#core/rpc/capped-fetch.ts";
import { type OnBytes, onBytesKey } from "#core/rpc/coming.ts";
import { FRAME_HEAD_BYTES, fieldsOf, frameHead, readFrameHead } from "#core/rpc/wire.ts";

export interface PeerTransportOptions extends CappedFetchOptions {
  /** Scheme, host and port. */
  readonly url: string;
  readonly fetch: Fetch;
  /** Buffers that answers with a piece are read into. */
  readonly buffers?: AnswerBuffers | undefined;
}

const TRAILERS_FLAG = 0x80;
/** Number of the field `data` in GetPieceResponse. */
const DATA_FIELD = 1;

/**
 * A gRPC-Web transport to a peer. GetPiece answers are read into one buffer and passed on as a view of it; the
 * library would copy the piece together from parts. Everything else, GetPiece answers with an error included, goes
 * through the library unchanged.
 */
export function peerTransport(options: PeerTransportOptions): Transport {
  const { url: baseUrl, fetch } = options;
  const stockTelling = (onBytes?: OnBytes) =>
    createGrpcWebTransport({ baseUrl, fetch: cappedFetch(fetch, { ...options, onBytes }) });
  const stock = stockTelling();
  const fetchWhole = cappedWhole(fetch, options, options.buffers);
  return {
    stream: stock.stream,
    async unary(...call) {
      const [method, signal, timeoutMs, header, message, values] = call;
      const onBytes = values?.get(onBytesKey);
      if (method.name !== "GetPiece") return (onBytes ? stockTelling(onBytes) : stock).unary(...call);
      const init = {
        method: "POST",
        headers: requestHeaders(header, timeoutMs),
        body: framed(method.input, message),
        ...(signal && { signal }),
      };
      const answer = await fetchWhole(`${baseUrl}/${method.parent.typeName}/${method.name}`, init, onBytes);
      const data = pieceIn(answer);
      if (!data) return createGrpcWebTransport({ baseUrl, fetch: async () => again(answer) }).unary(...call);
      const { headers } = answer.response;
      const piece = create(method.output, { data } as unknown as MessageInitShape<typeof method.output>);
      const trailer = new Headers();
      return { stream: false, service: method.parent, method, header: headers, message: piece, trailer };
    },
  };
}

function requestHeaders(given: HeadersInit | undefined, timeoutMs: number | undefined): Headers {
  const headers = new Headers(given);
  headers.set("content-type", "application/grpc-web+proto");
  headers.set("x-grpc-web", "1");
  if (timeoutMs !== undefined) headers.set("grpc-timeout", `${timeoutMs}m`);
  return headers;
}

function framed<T extends DescMessage>(schema: T, message: MessageInitShape<T>): Uint8Array<ArrayBuffer> {
  const bytes = toBinary(schema, create(schema, message));
  return joinBytes([frameHead(bytes.length), bytes]) as Uint8Array<ArrayBuffer>;
}

/**
 * The piece of an answer. Undefined unless the answer is one message with only the piece, and trailers with
 * grpc-status 0.
 */
function pieceIn({ response, bytes }: WholeAnswer): Uint8Array | undefined {
  if (response.status !== 200 || response.headers.has("grpc-status") || bytes.length < 2 * FRAME_HEAD_BYTES)
    return undefined;
  const message = readFrameHead(bytes);
  const messageEnd = FRAME_HEAD_BYTES + message.length;
  const trailersAt = messageEnd + FRAME_HEAD_BYTES;
  if (message.flags !== 0 || trailersAt > bytes.length) return undefined;
  const end = readFrameHead(bytes, messageEnd);
  if (end.flags !== TRAILERS_FLAG || trailersAt + end.length !== bytes.length) return undefined;
  const trailers = new TextDecoder().decode(bytes.subarray(trailersAt));
  if (!/^grpc-status: ?0\r\n$/i.test(trailers)) return undefined;
  try {
    const [data, ...others] = fieldsOf(bytes.subarray(FRAME_HEAD_BYTES, messageEnd));
    return data?.number === DATA_FIELD && others.length === 0 ? data.bytes : undefined;
  } catch {
    return undefined;
  }
}

/** The same answer as a Response that can be read again. */
function again({ response, bytes }: WholeAnswer): Response {
  return new Response(bytes.length > 0 ? bytes : null, response);
}

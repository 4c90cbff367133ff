import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { Writable } from "node:stream";

/** A request of either HTTP version. Only that of HTTP/2 has a `stream`. */
export type HttpRequest = IncomingMessage | Http2ServerRequest;
/** A response of either HTTP version. Only that of HTTP/2 has a `stream`. */
export type HttpResponse = ServerResponse | Http2ServerResponse;

/** A request without its body. */
export interface RequestHead {
  readonly method?: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly httpVersionMajor: number;
  readonly socket: { readonly remoteAddress?: string | undefined };
}

/** The part of an answer that gates and direct methods use. Node's responses, SocketReply and StreamReply have it. */
export type Reply = Pick<Writable, "destroyed" | "cork" | "uncork"> & {
  statusCode: number;
  readonly closed: boolean;
  readonly headersSent: boolean;
  setHeader(name: string, value: string | number): unknown;
  addTrailers(trailers: Readonly<Record<string, string>>): unknown;
  write(chunk: Uint8Array): boolean;
  /** Sends the last bytes of the answer, or text of one byte for each character, and ends the answer. */
  end(chunk: Uint8Array): unknown;
  end(text: string, encoding: "latin1"): unknown;
  /** "drain": what was written has left, after `write` returned false. */
  once(event: "close" | "drain", fn: () => void): unknown;
};

/** The request and the response that Node makes of a call. The library and plain HTTP routes work with these. */
export interface NodeExchange {
  readonly request: HttpRequest;
  readonly response: HttpResponse;
}

import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { Readable, Writable } from "node:stream";

/** One request or answer of either HTTP version: the two look alike, but for `stream` on HTTP/2. */
export type HttpRequest = IncomingMessage | Http2ServerRequest;
export type HttpResponse = ServerResponse | Http2ServerResponse;

/** What is known of a request before its body. */
export interface RequestHead {
  readonly method?: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly httpVersionMajor: number;
  readonly socket: { readonly remoteAddress?: string | undefined };
}

/** As much of an answer as a short one needs. */
export type ShortResponse = Pick<Writable, "destroyed" | "cork" | "uncork"> & {
  statusCode: number;
  readonly closed: boolean;
  setHeader(name: string, value: string | number): unknown;
  addTrailers(trailers: Readonly<Record<string, string>>): unknown;
  write(chunk: Uint8Array): boolean;
  /** With the last bytes, or with text of one byte a character. */
  end(chunk: Uint8Array): unknown;
  end(text: string, encoding: "latin1"): unknown;
  once(event: "close", fn: () => void): unknown;
};

/** A request, its body and its answer. */
export interface ShortCall {
  readonly head: RequestHead;
  /** To be read, or whole. */
  readonly body: Readable | Buffer;
  readonly response: ShortResponse;
}

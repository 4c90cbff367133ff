import type { Http2Session, IncomingHttpHeaders, OutgoingHttpHeaders, ServerHttp2Stream } from "node:http2";
import type { RequestHead, ShortCall, ShortResponse } from "./http-types.ts";

/** A call over HTTP/2 without the request and the response that Node makes of it. */
export function streamCall(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): ShortCall {
  const head: RequestHead = {
    method: headers[":method"],
    headers,
    httpVersionMajor: 2,
    get socket() {
      return remoteOf(stream.session);
    },
  };
  return { head, body: stream, response: new StreamResponse(stream) };
}

const remotes = new WeakMap<Http2Session, RequestHead["socket"]>();

/** Asked for once a connection: what Node gives out as an HTTP/2 session's socket looks everything up anew. */
function remoteOf(session: Http2Session | undefined): RequestHead["socket"] {
  if (!session) return {};
  const known = remotes.get(session) ?? { remoteAddress: session.socket.remoteAddress };
  remotes.set(session, known);
  return known;
}

class StreamResponse implements ShortResponse {
  readonly stream: ServerHttp2Stream;
  statusCode = 200;
  readonly #headers: OutgoingHttpHeaders = {};
  #trailers: Readonly<Record<string, string>> | undefined;

  constructor(stream: ServerHttp2Stream) {
    this.stream = stream;
  }

  get closed(): boolean {
    return this.stream.closed;
  }

  get destroyed(): boolean {
    return this.stream.destroyed;
  }

  setHeader(name: string, value: string | number): void {
    this.#headers[name] = value;
  }

  addTrailers(trailers: Readonly<Record<string, string>>): void {
    this.#trailers = trailers;
  }

  once(event: "close", fn: () => void): void {
    this.stream.once(event, fn);
  }

  cork(): void {
    this.stream.cork();
  }

  uncork(): void {
    this.stream.uncork();
  }

  write(chunk: Uint8Array): boolean {
    this.#respond();
    return this.stream.write(chunk);
  }

  end(chunk: Uint8Array | string, encoding: BufferEncoding = "latin1"): void {
    this.#respond();
    this.stream.end(chunk, encoding);
  }

  #respond(): void {
    const { stream } = this;
    if (stream.headersSent) return;
    const trailers = this.#trailers;
    this.#headers[":status"] = this.statusCode;
    stream.respond(this.#headers, { waitForTrailers: trailers !== undefined });
    if (trailers) stream.once("wantTrailers", () => stream.sendTrailers(trailers));
  }
}

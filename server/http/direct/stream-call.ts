import {
  constants,
  type Http2Session,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import { versions } from "node:process";
import type { NodeExchange, Reply, RequestHead } from "../base/http-types.ts";
import type { FrontEnd } from "../guards/gates.ts";
import type { Pace } from "../guards/pace.ts";
import { httpDate } from "./plain-call.ts";

// Keep the listeners of streams module-level functions and the accessors those of classes, so that a finished call
// leaves nothing in V8's old generation: see docs/v8.md.

/** The head of a call over HTTP/2, read from its stream without making Node's request. */
export class StreamHead implements RequestHead {
  readonly headers: IncomingHttpHeaders;
  readonly httpVersionMajor = 2;
  readonly #stream: ServerHttp2Stream;

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders) {
    this.#stream = stream;
    this.headers = headers;
  }

  get method(): string | undefined {
    return this.headers[":method"];
  }

  get socket(): RequestHead["socket"] {
    return remoteOf(this.#stream.session);
  }
}

const remotes = new WeakMap<Http2Session, RequestHead["socket"]>();

/** The remote address, read once for each connection: the socket of Node's session is a slow proxy object. */
function remoteOf(session: Http2Session | undefined): RequestHead["socket"] {
  if (!session) return {};
  const known = remotes.get(session) ?? { remoteAddress: session.socket.remoteAddress };
  remotes.set(session, known);
  return known;
}

type Headers = Record<string, string | number>;

/** The answer of a call over HTTP/2 without Node's response. Call finishCall() when the stream closes. */
export class StreamReply implements Reply, FrontEnd {
  readonly stream: ServerHttp2Stream;
  statusCode = 200;
  readonly #headers: Headers = {};
  #trailers: Readonly<Record<string, string>> | undefined;
  #onClose: (() => void)[] | undefined;
  readonly #toNode: () => NodeExchange;

  /** `toNode` makes Node's request and response of the stream. */
  constructor(stream: AnsweredStream, toNode: () => NodeExchange) {
    this.stream = stream;
    this.#toNode = toNode;
    stream[kReply] = this;
  }

  get closed(): boolean {
    return this.stream.closed;
  }

  get destroyed(): boolean {
    return this.stream.destroyed;
  }

  get headersSent(): boolean {
    return this.stream.headersSent;
  }

  kill(): void {
    this.stream.close(constants.NGHTTP2_CANCEL);
  }

  hold(pace: Pace): void {
    this.once("close", () => {
      pace.stopReading();
      pace.stopWriting();
    });
  }

  /** The response gets the headers that the gates have set. */
  toNode(): NodeExchange {
    const exchange = this.#toNode();
    for (const name in this.#headers) exchange.response.setHeader(name, this.#headers[name]!);
    return exchange;
  }

  setHeader(name: string, value: string | number): void {
    this.#headers[name] = value;
  }

  addTrailers(trailers: Readonly<Record<string, string>>): void {
    this.#trailers = trailers;
  }

  once(event: "close" | "drain", fn: () => void): void {
    if (event === "drain") this.stream.once("drain", fn);
    else if (this.#onClose) this.#onClose.push(fn);
    else this.#onClose = [fn];
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

  sendTrailers(): void {
    this.stream.sendTrailers(this.#trailers ?? {});
  }

  /** Call it when the caller has all of the answer or is gone. */
  finish(): void {
    for (const fn of this.#onClose ?? []) fn();
  }

  #respond(): void {
    const { stream } = this;
    if (stream.headersSent) return;
    const waitForTrailers = this.#trailers !== undefined;
    stream.respond(responseHeaders(this.statusCode, this.#headers), { waitForTrailers });
    if (waitForTrailers) stream.on("wantTrailers", onWantTrailers);
  }
}

const kReply = Symbol("reply");

interface AnsweredStream extends ServerHttp2Stream {
  [kReply]?: StreamReply | undefined;
}

/** Finishes the answer of a stream that has closed. */
export function finishCall(stream: AnsweredStream): void {
  const reply = stream[kReply];
  stream[kReply] = undefined;
  reply?.finish();
}

function onWantTrailers(this: AnsweredStream): void {
  this[kReply]?.sendTrailers();
}

/** Since 24.8 Node takes headers as a list of names and values, which it does not copy. */
const takesLists = isSince(24, 8);

/** The headers of the last answer. The next answer mostly has the same and uses this list again. */
let latest: readonly string[] = [];

function responseHeaders(status: number, headers: Headers): OutgoingHttpHeaders | readonly string[] {
  if (!takesLists) return { ":status": status, ...headers };
  const date = httpDate();
  let length = 4;
  let isLatest = latest[1] === String(status) && latest[3] === date;
  for (const name in headers) {
    isLatest &&= latest[length] === name && latest[length + 1] === String(headers[name]);
    length += 2;
  }
  if (isLatest && latest.length === length) return latest;
  const fields = Object.entries(headers).flatMap(([name, value]) => [name, String(value)]);
  latest = [":status", String(status), "date", date, ...fields];
  return latest;
}

function isSince(major: number, minor: number): boolean {
  const [ourMajor = 0, ourMinor = 0] = versions.node.split(".").map(Number);
  return ourMajor > major || (ourMajor === major && ourMinor >= minor);
}

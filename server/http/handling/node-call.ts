import type { IncomingMessage } from "node:http";
import { constants } from "node:http2";
import type { CallerOf } from "../base/caller.ts";
import type { HttpRequest, HttpResponse, NodeExchange, Reply, RequestHead } from "../base/http-types.ts";
import { type Call, createCall, type FrontEnd, type Route } from "../guards/gates.ts";
import type { Pace } from "../guards/pace.ts";

/** Makes a Call of a request of Node's, of either HTTP version. */
export function nodeCall<R extends Route>(
  path: string,
  route: R,
  exchange: NodeExchange,
  callerOf: CallerOf,
): Call<R> {
  const { request, response } = exchange;
  const parts = { path, route, body: request, frontEnd: new NodeFrontEnd(exchange) };
  return createCall({ ...parts, head: request as RequestHead, reply: response as Reply }, callerOf);
}

class NodeFrontEnd implements FrontEnd {
  readonly #exchange: NodeExchange;

  constructor(exchange: NodeExchange) {
    this.#exchange = exchange;
  }

  kill(): void {
    const { request } = this.#exchange;
    if ("stream" in request) request.stream.close(constants.NGHTTP2_CANCEL);
    else request.socket.destroy();
  }

  hold(pace: Pace): void {
    const { request, response } = this.#exchange;
    // An HTTP/2 request closes when nobody reads it any more; its stream closes when the caller can send no more.
    ("stream" in request ? request.stream : request).once("close", () => pace.stopReading());
    response.once("close", () => {
      pace.stopWriting();
      if (!("stream" in request || request.complete)) endWithConnection(request);
    });
  }

  toNode(): NodeExchange {
    return this.#exchange;
  }
}

/** After an answer Node does not end an incomplete request when the connection closes; it would wait for ever. */
function endWithConnection(request: IncomingMessage): void {
  const { socket } = request;
  const end = () => void request.destroy();
  socket.once("close", end);
  request.once("close", () => socket.off("close", end));
}

/**
 * Turns the target of a request into a path with a query if it is a whole URL, whose host then counts instead of the
 * Host header (RFC 9112, 3.2.2).
 */
export function toOriginForm(request: HttpRequest): void {
  const url = /^https?:\/\//i.test(request.url ?? "") ? URL.parse(request.url!) : null;
  if (!url) return;
  request.url = url.pathname + url.search;
  request.headers.host = url.host;
}

/** The path of a request without its query. */
export function pathOf(request: HttpRequest): string {
  const url = request.url ?? "/";
  const query = url.indexOf("?");
  return query < 0 ? url : url.slice(0, query);
}

/** Answers with a status and a line of ASCII text. */
export function say(reply: Reply | HttpResponse, status: number, text: string): void {
  const answer = reply as Reply;
  answer.statusCode = status;
  answer.setHeader("content-type", "text/plain; charset=utf-8");
  answer.setHeader("cache-control", "no-store");
  answer.setHeader("content-length", text.length + 1);
  answer.end(`${text}\n`, "latin1");
}

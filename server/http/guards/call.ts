import type { Readable } from "node:stream";
import type { DescMethod } from "@bufbuild/protobuf";
import { type Caller, type CallerOf, LazyCaller } from "../base/caller.ts";
import type { NodeExchange, Reply, RequestHead } from "../base/http-types.ts";
import type { Pace } from "./pace.ts";
import type { Policy } from "./policy.ts";

/** The transport that a call came in by. */
export interface FrontEnd {
  /** Ends the call at once: its stream on HTTP/2, its connection on HTTP/1.1. */
  kill(): void;
  /** Tells the pace when the request's body and the answer have ended. */
  hold(pace: Pace): void;
  /** The call as a request and a response of Node. A call that Node has not parsed becomes one now. */
  toNode(): NodeExchange;
}

/** One path of the server: the method behind it and the policy of its calls. */
export interface Route {
  readonly policy: Policy;
  /** Undefined for plain HTTP. */
  readonly method: DescMethod | undefined;
}

interface CallParts<R extends Route> {
  readonly head: RequestHead;
  /** The path of the request without its query. */
  readonly path: string;
  readonly route: R;
  /** A Buffer if all of the body has arrived with the head, otherwise a stream that has not been read. */
  readonly body: Readable | Buffer;
  readonly reply: Reply;
  readonly frontEnd: FrontEnd;
}

/**
 * One request of any front end: fast HTTP/1.1, Node's HTTP/1.1 or HTTP/2, with or without TLS. The gates and every
 * way to answer see this and nothing else of the front end.
 */
export interface Call<R extends Route = Route> extends CallParts<R> {
  readonly caller: Caller;
  /** Set by the pace gate. */
  pace: Pace | undefined;
}

export function createCall<R extends Route>(
  { head, path, route, body, reply, frontEnd }: CallParts<R>,
  callerOf: CallerOf,
): Call<R> {
  const caller = new LazyCaller(head, callerOf);
  return { head, path, route, body, reply, frontEnd, caller, pace: undefined };
}

import type { Readable } from "node:stream";
import type { DescMethod } from "@bufbuild/protobuf";
import { type Caller, type CallerOf, LazyCaller } from "../base/caller.ts";
import type { NodeExchange, Reply, RequestHead } from "../base/http-types.ts";
import type { Pace } from "./pace.ts";
import type { Policy } from "./policy.ts";

/** Where a call came in, and how to end it there. */
export interface FrontEnd {
  /** Ends the call at once: its stream on HTTP/2, its connection on HTTP/1.1. */
  kill(): void;
  /** Tells the pace when the request's body and the answer have ended. */
  hold(pace: Pace): void;
  /** The call as a request and a response of Node. A call that Node has not parsed becomes one now. */
  toNode(): NodeExchange;
}

/** What answers calls to one path, and what its calls are held to. */
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
  /** To be read, or whole. */
  readonly body: Readable | Buffer;
  readonly reply: Reply;
  readonly frontEnd: FrontEnd;
  readonly callerOf: CallerOf;
}

/**
 * One request of any front end: fast HTTP/1.1, Node's HTTP/1.1 or HTTP/2, with or without TLS. The gates and every way
 * to answer see this and nothing else of the front end.
 */
export class Call<R extends Route = Route> {
  readonly head: RequestHead;
  readonly path: string;
  readonly route: R;
  readonly body: Readable | Buffer;
  readonly reply: Reply;
  readonly frontEnd: FrontEnd;
  readonly caller: Caller;
  /** Set by the gate of the pace. */
  pace: Pace | undefined;

  constructor({ head, path, route, body, reply, frontEnd, callerOf }: CallParts<R>) {
    this.head = head;
    this.path = path;
    this.route = route;
    this.body = body;
    this.reply = reply;
    this.frontEnd = frontEnd;
    this.caller = new LazyCaller(head, callerOf);
  }
}

import type { Readable } from "node:stream";
import type { DescMethod } from "@bufbuild/protobuf";
import { InvalidField, PiezaError } from "#core/base/errors.ts";
import { FRAME_HEAD_BYTES } from "#core/rpc/wire.ts";
import { authorityOf } from "../base/authority.ts";
import { type Caller, type CallerOf, LazyCaller } from "../base/caller.ts";
import type { NodeExchange, Reply, RequestHead } from "../base/http-types.ts";
import type { Cors, NamedHost } from "./origins.ts";
import { Pace, type Paces } from "./pace.ts";
import type { Policy } from "./policy.ts";
import type { TakeRate } from "./rate-limit.ts";

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

const PAGE_REFUSED =
  "pages of this origin may not change anything here; start this server with --allow-origin, or with --allowed-host if it is a name of this server";

/** Lets a call pass, or throws the error for its caller. Returns a promise only if it asks another server. */
export type Gate = (call: Call) => Promise<void> | void;

export interface GateOptions {
  readonly namedHost: (authority: string | undefined) => NamedHost;
  readonly cors: Cors;
  readonly takeRate: TakeRate;
  readonly paces: Paces;
}

/** A refusal of the request before its method matters. The answer is an HTTP status and a line of text. */
export class RequestRefused extends Error {
  override readonly name = "RequestRefused";
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/**
 * The gates that every call passes before it is answered, in the order of the result, whatever its front end, its
 * format and the way in which it is answered. The gates run before the body is read.
 */
export function createGates({ namedHost, cors, takeRate, paces }: GateOptions) {
  const hostName: Gate = ({ head }) => {
    const named = namedHost(authorityOf(head.headers));
    if (named === "malformed") throw new RequestRefused(400, "the Host of the request is no host and port");
    if (named === "foreign") throw new RequestRefused(421, "this server has another name");
  };
  const origin: Gate = ({ head, reply, route }) => {
    if (!cors.admit(head, reply, route.policy)) {
      throw new RequestRefused(403, PAGE_REFUSED);
    }
  };
  const rate: Gate = ({ route, caller }) => {
    if (!route.policy.rated) return;
    const waitMs = takeRate(caller.address);
    return typeof waitMs === "number" ? checkRate(waitMs) : waitMs.then(checkRate);
  };
  const authority: Gate = ({ route, caller }) => route.policy.authority?.(caller);
  const pace: Gate = (call) => {
    takeRoom(call);
    call.pace = new Pace(paces, call.frontEnd);
    call.frontEnd.hold(call.pace);
  };
  return { target, hostName, origin, size, rate, authority, pace };
}

/** Refuses a target that is no path (RFC 9112, 3.2); OPTIONS may have "*" instead. */
function target({ head, path }: Call): void {
  if (path.startsWith("/") || (path === "*" && head.method === "OPTIONS")) return;
  throw new RequestRefused(400, "the target of the request is no path such as /healthz");
}

function checkRate(retryAfterMs: number): void {
  if (retryAfterMs === 0) return;
  throw new PiezaError("resource_exhausted", "too many calls from this address", { retryAfterMs });
}

/** Passes a call through all gates, in order. Throws, or rejects, at the first gate that refuses the call. */
export function passGates(gates: readonly Gate[], call: Call): Promise<void> | void {
  for (let at = 0; at < gates.length; at++) {
    const waiting = gates[at]!(call);
    if (waiting) return passRest(waiting, gates.slice(at + 1), call);
  }
}

async function passRest(waiting: Promise<void>, rest: readonly Gate[], call: Call): Promise<void> {
  await waiting;
  await passGates(rest, call);
}

/** How much longer than its message a compressed body may be: this part of it, and these bytes (RFC 1951, 3.2.4). */
const GROWTH = { part: 1 / 1024, bytes: 64 };

/**
 * Refuses a body whose content-length is over the bound of its method. A body without a content-length meets the same
 * bound while it is read.
 */
function size({ head, route }: Call): void {
  const { requestBytes, oneMessage } = route.policy;
  const stated = statedBytes(head.headers["content-length"]);
  if (stated === undefined || !oneMessage) return;
  const most = requestBytes + FRAME_HEAD_BYTES;
  if (stated <= most || (isCompressed(head.headers) && stated <= most * (1 + GROWTH.part) + GROWTH.bytes))
    return;
  const message = `the request has ${stated} bytes; at most ${requestBytes} are taken here`;
  throw route.method ? new PiezaError("resource_exhausted", message) : new RequestRefused(413, message);
}

function isCompressed(headers: Call["head"]["headers"]): boolean {
  const names = ["content-encoding", "grpc-encoding", "connect-content-encoding"];
  return names.some((name) => (headers[name] ?? "identity") !== "identity");
}

/** Takes memory for the body until the answer closes: its content-length, or without one the bound of its method. */
function takeRoom({ head, route, caller, reply }: Call): void {
  const { room, requestBytes } = route.policy;
  if (!room) return;
  const stated = statedBytes(head.headers["content-length"]) ?? requestBytes;
  const giveBack = room.take(caller.address, Math.min(requestBytes, stated));
  // A gate before this one may have waited, and the caller may have left meanwhile.
  if (reply.closed) giveBack();
  else reply.once("close", giveBack);
}

/** The content-length of a request. Throws InvalidField if it is no number. */
export function statedBytes(length: string | undefined): number | undefined {
  if (length === undefined) return undefined;
  if (!/^\d{1,15}$/.test(length)) throw new InvalidField("content-length", "must be a whole number of bytes");
  return Number(length);
}

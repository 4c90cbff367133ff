import type { IncomingMessage } from "node:http";
import { constants } from "node:http2";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from "@connectrpc/connect-node";
import type { CallerOf } from "../base/caller.ts";
import { contextValuesOf } from "../base/context.ts";
import type { HttpRequest, HttpResponse, ShortCall } from "../base/http-types.ts";
import { neverCompressed } from "../base/limits.ts";
import {
  type Admit,
  answerDirectly,
  type DirectMethod,
  type DirectOutcome,
  kAdmitted,
  kDirectFailure,
} from "../direct/direct.ts";
import { type Killable, Pace, type Paces } from "../guards/pace.ts";
import type { UploadBudget } from "../guards/upload-budget.ts";

export type { HttpRequest, HttpResponse } from "../base/http-types.ts";

/** Taken for the length of a plain HTTP answer that does not say its own. */
const MAX_UNSTATED_BYTES = 1 << 20;

/** What callers say of the encodings that they take, in each of the protocols. */
const ACCEPTED = ["accept-encoding", "connect-accept-encoding", "grpc-accept-encoding"];

export interface ServeOptions {
  readonly paces: Paces;
  readonly callerOf: CallerOf;
  /** What answers may have waiting to be read, of all calls of a server. */
  readonly unread: UploadBudget;
  readonly direct: DirectMethod | undefined;
  /** For the methods that have a limit. */
  readonly admit: Admit | undefined;
}

/**
 * Runs one call of an RPC handler on a Node request. Unlike the library's own adapter it is quiet about callers that
 * hang up, and it holds bodies to a pace. `direct`, where a method has one, is asked first.
 */
export async function serveRpc(
  handler: UniversalHandler,
  request: HttpRequest,
  response: HttpResponse,
  { paces, callerOf, unread, direct, admit }: ServeOptions,
): Promise<void> {
  const pace = new Pace(paces, { kill: () => kill(request) });
  // On HTTP/2 the request closes as soon as nobody reads it; its stream closes when the caller can send no more.
  ("stream" in request ? request.stream : request).once("close", () => pace.stopReading());
  response.once("close", () => {
    pace.stopWriting();
    if (!("stream" in request || request.complete)) endWithConnection(request);
  });
  try {
    // Before the library's request exists: its signals and their errors cost as much as the rest of a small call.
    const { maxTimeoutMs } = paces.limits;
    const options = { maxTimeoutMs, pace, callerOf, admit };
    const shortCall = { head: request, body: request, response } as ShortCall;
    const attempt = attemptAt(request) ?? (direct && (await answerDirectly(direct, shortCall, options)));
    if (attempt?.answered) {
      if (!response.closed) pace.sending(attempt.bytes);
      return;
    }
    const contextValues = contextValuesOf(request, response, callerOf)
      .set(kDirectFailure, attempt?.failure)
      .set(kAdmitted, attempt?.admitted ?? false);
    const call = universalRequestFromNodeRequest(request, response, undefined, contextValues);
    if (neverCompressed(handler.method)) for (const name of ACCEPTED) call.header.set(name, "identity");
    const { methodKind } = handler.method;
    const endsByItself = methodKind === "unary" || methodKind === "server_streaming";
    if (attempt?.body) call.body = pace.reading(attempt.body);
    else if (endsByItself && isBytes(call.body)) call.body = pace.reading(call.body);
    const answer = await handler(call);
    void pace.dropRest();
    // What failed must not be kept, whatever the service had said of its answer before it failed.
    if (answer.status !== 200 || !answer.header?.has("cache-control")) {
      answer.header = new Headers(answer.header);
      answer.header.set("cache-control", "no-store");
    }
    const take = (bytes: number) => unread.take(callerOf(request), bytes);
    if (answer.body) answer.body = pace.writing(answer.body, take);
    await universalResponseToNodeResponse(answer, response);
  } catch {
    // The caller has too much unread already, or is gone, or the connection broke: mostly, nobody is left to tell.
    if (response.headersSent) kill(request);
    else refuse(response);
  }
}

/** What became of a direct answer to a call that was no request of Node's then, by its stream or connection. */
const attempts = new WeakMap<object, DirectOutcome>();

/** That of this call, once: the connection's next one has its own. */
function attemptAt(request: HttpRequest): DirectOutcome | undefined {
  const origin = "stream" in request ? request.stream : request.socket;
  const attempt = attempts.get(origin);
  attempts.delete(origin);
  return attempt;
}

export interface ShortServeOptions extends ServeOptions {
  readonly direct: DirectMethod;
}

/** Where a short call came in. */
export interface ShortOrigin extends Killable {
  /** The stream or the connection that Node's request will have if it is to be one. */
  readonly origin: object;
}

/**
 * The same for a call that `direct` may answer, while it is no request of Node's yet: making one takes a quarter of the
 * time of a short call over HTTP/2, and half of it over HTTP/1.1. Resolves with false if the library has to answer: make
 * it a request, for serveRpc. Never fails.
 */
export async function serveShort(
  call: ShortCall,
  origin: ShortOrigin,
  { paces, callerOf, direct, admit }: ShortServeOptions,
): Promise<boolean> {
  const pace = new Pace(paces, origin);
  const { response } = call;
  response.once("close", () => {
    pace.stopReading();
    pace.stopWriting();
  });
  try {
    const { maxTimeoutMs } = paces.limits;
    const attempt = await answerDirectly(direct, call, { maxTimeoutMs, pace, callerOf, admit });
    if (attempt.answered) {
      if (!response.closed) pace.sending(attempt.bytes);
      return true;
    }
    attempts.set(origin.origin, attempt);
    pace.stopReading();
    return false;
  } catch {
    // The caller is gone.
    origin.kill();
    return true;
  }
}

/** Holds a plain HTTP answer that was handed to the system in one go to the pace and the room of every other. */
export function holdAnswer(
  request: HttpRequest,
  response: HttpResponse,
  { paces, callerOf, unread }: Omit<ServeOptions, "direct" | "admit">,
): void {
  if (response.closed) return;
  const stated = Number(response.getHeader("content-length") ?? MAX_UNSTATED_BYTES);
  const pace = new Pace(paces, { kill: () => kill(request) });
  response.once("close", () => pace.stopWriting());
  try {
    const bytes = request.method === "HEAD" ? 0 : stated;
    pace.sending(bytes, unread.take(callerOf(request), bytes));
  } catch {
    kill(request);
  }
}

function isBytes(body: unknown): body is AsyncIterable<Uint8Array> {
  return typeof body === "object" && body !== null && Symbol.asyncIterator in body;
}

/** Node no longer tells a request of its connection's end once the answer has left: the rest of it would never come. */
function endWithConnection(request: IncomingMessage): void {
  const { socket } = request;
  const end = () => void request.destroy();
  socket.once("close", end);
  request.once("close", () => socket.off("close", end));
}

/** Ends the call at once: its stream on HTTP/2, its connection on HTTP/1.1. */
function kill(request: HttpRequest): void {
  if ("stream" in request) request.stream.close(constants.NGHTTP2_CANCEL);
  else request.socket.destroy();
}

function refuse(response: HttpResponse): void {
  response.statusCode = 503;
  response.setHeader("retry-after", "1");
  response.end();
}

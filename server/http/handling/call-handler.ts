import type { Readable } from "node:stream";
import type { DescMethod } from "@bufbuild/protobuf";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { PiezaError } from "#core/base/errors.ts";
import type { CallerOf } from "../base/caller.ts";
import type { HttpRequest, HttpResponse, Reply, RequestHead } from "../base/http-types.ts";
import type { Limits } from "../base/limits.ts";
import { failure, type Log } from "../base/log.ts";
import {
  answerDirectly,
  type DirectCall,
  type DirectMethod,
  directCall,
  readDirectBody,
} from "../direct/direct.ts";
import { sendRpcError } from "../direct/error-answer.ts";
import { type PlainCall, plainCall } from "../direct/plain-call.ts";
import {
  type Call,
  createCall,
  createGates,
  type FrontEnd,
  type Gate,
  passGates,
  RequestRefused,
  type Route,
} from "../guards/gates.ts";
import type { Cors, NamedHost } from "../guards/origins.ts";
import { Pace, Paces } from "../guards/pace.ts";
import { plainPolicy, policyOf } from "../guards/policy.ts";
import type { TakeRate } from "../guards/rate-limit.ts";
import { UploadBudget } from "../guards/upload-budget.ts";
import { answerByLibrary, type Budgets, type ReadRequest, readRequest } from "./by-library.ts";
import type { HealthState } from "./health.ts";
import { reportError } from "./library.ts";
import { nodeCall, pathOf, say, toOriginForm } from "./node-call.ts";
import type { ServerOptions } from "./options.ts";

export interface CallHandlerOptions extends Pick<ServerOptions, "services" | "direct" | "http"> {
  readonly handlers: readonly UniversalHandler[];
  readonly namedHost: (authority: string | undefined) => NamedHost;
  readonly cors: Cors;
  readonly health: HealthState;
  readonly callerOf: CallerOf;
  readonly takeRate: TakeRate;
  readonly chargeRate: Budgets["chargeRate"];
  readonly limits: Limits;
  readonly log: Log;
}

/** A method, the two ways to answer it, and its policy. */
interface RpcRoute extends Route {
  readonly method: DescMethod;
  readonly handler: UniversalHandler;
  readonly direct: DirectMethod | undefined;
}

interface PlainRoute extends Route {
  readonly method: undefined;
}

/** Assumed length of a plain HTTP answer without content-length. */
const MAX_UNSTATED_BYTES = 1 << 20;

/** Answers the calls of all front ends: each becomes a Call, passes the same gates, and is answered by its route. */
export class CallHandler {
  readonly #options: CallHandlerOptions;
  readonly #routes: ReadonlyMap<string, RpcRoute>;
  readonly #plainRoute: PlainRoute;
  readonly #gates: readonly Gate[];
  /** The gates of a CORS preflight, which makes no call. */
  readonly #preflightGates: readonly Gate[];
  readonly #paces: Paces;
  readonly #budgets: Budgets;

  constructor(options: CallHandlerOptions) {
    const { limits, services, handlers } = options;
    this.#options = options;
    this.#paces = new Paces(limits);
    const { chargeRate } = options;
    const [bodies, unread] = [new UploadBudget(limits.bodyBytes), new UploadBudget(limits.unreadBytes)];
    this.#budgets = { bodies, unread, chargeRate };
    this.#plainRoute = { policy: plainPolicy(limits), method: undefined };
    const { target, hostName, origin, size, rate, authority, pace } = createGates({
      ...options,
      paces: this.#paces,
    });
    this.#gates = [target, hostName, origin, size, rate, authority, pace];
    this.#preflightGates = [target, hostName];
    this.#routes = new Map(
      handlers.map((handler) => {
        const { method, requestPath } = handler;
        const own = services.find(({ service }) => service.typeName === method.parent.typeName);
        const policy = policyOf(method, own?.policies[method.localName] ?? {}, limits);
        const direct = options.direct === false ? undefined : own?.direct[method.localName];
        return [requestPath, { method, handler, policy, direct }];
      }),
    );
  }

  /**
   * Answers a call of which Node has made no request yet, if its method has a direct answer: making the request takes
   * a quarter of the time of a short call. A whole body (a Buffer) has to be one that the direct method can read.
   * Otherwise returns false and does nothing.
   */
  onUnparsed(path: string, head: RequestHead, body: Readable | Buffer, reply: Reply & FrontEnd): boolean {
    const found = this.#directRoute(path, head);
    if (!found) return false;
    const { route, plain } = found;
    const direct = Buffer.isBuffer(body) ? directCall(found.direct, plain, body) : undefined;
    if (Buffer.isBuffer(body) && !direct) return false;
    const parts = { head, path, route, body, reply, frontEnd: reply };
    void this.#answer(createCall(parts, this.#options.callerOf), plain, direct);
    return true;
  }

  /** Answers a request of Node's, of either HTTP version. */
  onRequest(request: HttpRequest, response: HttpResponse): void {
    // Without a listener, the error event of a caller that hangs up would end the process.
    request.on("error", ignore);
    response.on("error", ignore);
    toOriginForm(request);
    const path = pathOf(request);
    const route = this.#routes.get(path) ?? this.#plainRoute;
    const call = nodeCall<RpcRoute | PlainRoute>(path, route, { request, response }, this.#options.callerOf);
    if (request.method === "OPTIONS") this.#preflight(call);
    else if (isRpc(call)) void this.#answer(call, this.#directRoute(path, call.head)?.plain);
    else void this.#answerPlain(call);
  }

  /** The route of a plain call whose method has a direct answer. Undefined for any other call. */
  #directRoute(path: string, head: RequestHead) {
    const route = head.method === "POST" ? this.#routes.get(path) : undefined;
    if (!route?.direct || head.headers.expect) return undefined;
    const plain = plainCall(head, this.#options.limits.maxTimeoutMs);
    return plain && { route, plain, direct: route.direct };
  }

  async #answer(call: Call<RpcRoute>, plain?: PlainCall, known?: DirectCall): Promise<void> {
    const passes = this.#passes(call);
    if (!(typeof passes === "boolean" ? passes : await passes)) return;
    const { direct: method, handler } = call.route;
    try {
      let begun: AsyncIterable<Uint8Array> | undefined;
      let direct = known;
      if (!direct && plain && method) {
        const { whole, again } = await readDirectBody(call);
        if (whole) call.pace?.stopReading();
        direct = whole && directCall(method, plain, whole);
        if (!direct) begun = again();
      }
      if (direct) await answerDirectly(call, direct, this.#sendError);
      else await this.#answerByLibrary(handler, call, begun);
    } catch (error) {
      if (error instanceof RequestRefused) {
        this.#refuse(call, error);
        return;
      }
      // The caller has too many unread bytes or is gone, or its connection broke.
      const { headersSent, closed, destroyed } = call.reply;
      if (headersSent || closed || destroyed) call.frontEnd.kill();
      else overloaded(call.reply);
    }
  }

  async #answerByLibrary(
    handler: UniversalHandler,
    call: Call,
    begun: AsyncIterable<Uint8Array> | undefined,
  ): Promise<void> {
    let request: ReadRequest;
    try {
      request = await readRequest(call, begun, this.#budgets);
    } catch (error) {
      if (!(error instanceof PiezaError) || call.reply.closed) throw error;
      return this.#refuse(call, error);
    }
    await answerByLibrary(handler, call, request, this.#budgets.unread);
  }

  /** False, after the answer, if a gate refuses the call. A promise only if a gate asks another server. */
  #passes(call: Call): boolean | Promise<boolean> {
    try {
      const waiting = passGates(this.#gates, call);
      return waiting ? this.#passesLater(call, waiting) : true;
    } catch (refusal) {
      this.#refuse(call, refusal);
      return false;
    }
  }

  async #passesLater(call: Call, waiting: Promise<void>): Promise<boolean> {
    try {
      await waiting;
      return true;
    } catch (refusal) {
      this.#refuse(call, refusal);
      return false;
    }
  }

  readonly #sendError = ({ head, route, reply }: Call, error: unknown): void => {
    const { method } = route;
    const name = method ? `${method.parent.typeName}.${method.name}` : "plain HTTP";
    sendRpcError(head.headers["content-type"], reportError(error, name, this.#options.log), reply);
  };

  /** Answers a refused call, and drops the rest of its body. See Pace.dropRest. */
  #refuse(call: Call, refusal: unknown): void {
    const { body, frontEnd, reply } = call;
    if (!call.pace) {
      call.pace = new Pace(this.#paces, frontEnd);
      frontEnd.hold(call.pace);
    }
    try {
      if (refusal instanceof RequestRefused) say(reply, refusal.status, refusal.message);
      else this.#sendError(call, refusal);
    } catch {
      frontEnd.kill();
      return;
    }
    if (Buffer.isBuffer(body)) return;
    if (!call.pace.isReading) call.pace.reading(body);
    void call.pace.dropRest();
  }

  #preflight(call: Call): void {
    const { cors } = this.#options;
    const { request, response } = call.frontEnd.toNode();
    try {
      passGates(this.#preflightGates, call);
      cors.preflight(request, response, call.route.policy);
    } catch (refusal) {
      this.#refuse(call, refusal);
    }
  }

  async #answerPlain(call: Call): Promise<void> {
    if (!(await this.#passes(call))) return;
    const { request, response } = call.frontEnd.toNode();
    const { health, http, log } = this.#options;
    if (call.path === "/healthz") {
      say(response, health.serving ? 200 : 503, health.serving ? "ok" : "not serving");
      return;
    }
    try {
      const answered = await http?.(request, response, call);
      if (answered === true) this.#holdAnswer(call, response);
      else if (!answered) say(response, 404, "nothing here");
    } catch (error) {
      log(failure("request_failed", `${request.method} ${call.path.slice(0, 200)}`, error));
      if (response.headersSent) response.destroy();
      else say(response, 500, "internal error");
    }
  }

  /**
   * Holds a plain HTTP answer to its pace and to the budget of unread bytes. One that has not ended yet is sent in
   * parts, as its caller reads them, and has little in memory.
   */
  #holdAnswer({ head, caller, pace, frontEnd }: Call, response: HttpResponse): void {
    if (response.closed) return;
    const stated = Number(response.getHeader("content-length") ?? MAX_UNSTATED_BYTES);
    const bytes = head.method === "HEAD" ? 0 : stated;
    try {
      const inMemory = response.writableEnded ? bytes : Math.min(bytes, MAX_UNSTATED_BYTES);
      pace!.sending(bytes, this.#budgets.unread.take(caller.address, inMemory));
    } catch {
      frontEnd.kill();
    }
  }
}

function isRpc(call: Call<RpcRoute | PlainRoute>): call is Call<RpcRoute> {
  return call.route.method !== undefined;
}

function overloaded(reply: Reply): void {
  reply.statusCode = 503;
  reply.setHeader("retry-after", "1");
  reply.end(new Uint8Array());
}

function ignore(): void {}

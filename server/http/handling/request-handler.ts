import type { UniversalHandler } from "@connectrpc/connect/protocol";
import type { CallerOf } from "../base/caller.ts";
import type { HttpRequest, HttpResponse, ShortCall } from "../base/http-types.ts";
import { changes, type Limits, rateLimited } from "../base/limits.ts";
import type { Log } from "../base/log.ts";
import type { Admit } from "../direct/direct.ts";
import { authorityOf, type Cors } from "../guards/cors.ts";
import { Paces } from "../guards/pace.ts";
import { UploadBudget } from "../guards/upload-budget.ts";
import { holdAnswer, type ShortOrigin, serveRpc, serveShort } from "./adapter.ts";
import type { HealthState } from "./health.ts";
import type { ServerOptions } from "./options.ts";

export interface RequestHandlerOptions {
  readonly handlers: readonly UniversalHandler[];
  readonly direct: ServerOptions["direct"];
  readonly http: ServerOptions["http"];
  readonly knowsHost: (hostHeader: string | undefined) => boolean;
  readonly cors: Cors;
  readonly health: HealthState;
  readonly callerOf: CallerOf;
  /** For the methods that have a limit. */
  readonly admit: Admit;
  readonly limits: Limits;
  readonly log: Log;
}

export interface RequestHandler {
  /** Every request of a server, of either HTTP version. */
  onRequest(request: HttpRequest, response: HttpResponse): void;
  /**
   * A call before it is a request. Undefined: it is to be one now. Else resolves with whether it is answered; if not, it
   * is to be one then.
   */
  onShort(path: string, call: ShortCall, origin: ShortOrigin): Promise<boolean> | undefined;
}

/** Who may ask a server, then which route answers. */
export function createRequestHandler(options: RequestHandlerOptions): RequestHandler {
  const { cors, limits, callerOf, log } = options;
  const unread = new UploadBudget(limits.unreadBytes);
  const paces = new Paces(limits);
  const routes = new Map(options.handlers.map((handler) => [handler.requestPath, routeOf(handler)]));

  return { onRequest, onShort };

  function onShort(path: string, call: ShortCall, origin: ShortOrigin): Promise<boolean> | undefined {
    const { head, response } = call;
    const route = head.method === "POST" ? routes.get(path) : undefined;
    if (!route?.short || head.headers.expect) return undefined;
    // Who is refused is told so as a request.
    if (!options.knowsHost(authorityOf(head))) return undefined;
    if (!cors.admit(head, response, route.changesSomething)) return undefined;
    return serveShort(call, origin, route.short);
  }

  function onRequest(request: HttpRequest, response: HttpResponse): void {
    // A caller that hangs up is no news; without a listener it would be an uncaught exception.
    request.on("error", ignore);
    response.on("error", ignore);
    if (!options.knowsHost(authorityOf(request))) {
      say(response, 421, "this server has another name");
      return;
    }
    const path = pathOf(request);
    const route = routes.get(path);
    const changesSomething = route?.changesSomething ?? false;
    if (request.method === "OPTIONS") {
      cors.preflight(request, response, changesSomething);
    } else if (!cors.admit(request, response, changesSomething)) {
      say(response, 403, "pages of this origin may not change anything here");
    } else if (route) {
      void serveRpc(route.handler, request, response, route.serve);
    } else {
      void servePlain(path, request, response);
    }
  }

  function routeOf(handler: UniversalHandler) {
    const { method, requestPath } = handler;
    const direct = options.direct?.[requestPath];
    const admit = rateLimited(method) ? options.admit : undefined;
    const changesSomething = changes(method);
    const serve = { paces, callerOf, unread, direct, admit };
    return { handler, changesSomething, serve, short: direct && { ...serve, direct } };
  }

  async function servePlain(path: string, request: HttpRequest, response: HttpResponse): Promise<void> {
    if (path === "/healthz") {
      const { serving } = options.health;
      say(response, serving ? 200 : 503, serving ? "ok" : "not serving");
      return;
    }
    try {
      if (await options.http?.(request, response)) {
        holdAnswer(request, response, { paces, callerOf, unread });
        return;
      }
      say(response, 404, "nothing here");
    } catch (error) {
      log({
        level: "error",
        event: "request_failed",
        message: `${request.method} ${path.slice(0, 200)} failed: ${String(error).slice(0, 500)}`,
        stack: error instanceof Error ? error.stack : undefined,
      });
      if (response.headersSent) response.destroy();
      else say(response, 500, "internal error");
    }
  }
}

function say(response: HttpResponse, status: number, text: string): void {
  response.statusCode = status;
  response.setHeader("content-type", "text/plain; charset=utf-8");
  response.setHeader("cache-control", "no-store");
  response.end(`${text}\n`);
}

function pathOf(request: HttpRequest): string {
  const url = request.url ?? "/";
  const query = url.indexOf("?");
  return query < 0 ? url : url.slice(0, query);
}

function ignore(): void {}

import { cors as connectCors } from "@connectrpc/connect";
import type { HttpRequest, HttpResponse, RequestHead } from "../base/http-types.ts";

const allowHeaders = [
  ...connectCors.allowedHeaders,
  "Authorization",
  "If-None-Match",
  "Range",
  "Traceparent",
].join(", ");
const exposeHeaders = [
  ...connectCors.exposedHeaders,
  "Server-Timing",
  "Retry-After",
  "Retry-After-Ms",
  "ETag",
  "Accept-Ranges",
  "Content-Range",
].join(", ");

/**
 * Which pages may read the answer. Reads: any page, without credentials. Calls that change something: the server's own
 * page and the origins it was told of.
 */
export class Cors {
  readonly #allowed: ReadonlySet<string>;

  constructor(allowOrigins: readonly string[] = []) {
    this.#allowed = new Set(allowOrigins.map((origin) => new URL(origin).origin));
  }

  /**
   * Puts the headers on the answer. False: the call changes something and comes from a page that may not, so it must
   * not run.
   */
  admit(request: RequestHead, response: Pick<HttpResponse, "setHeader">, changesSomething: boolean): boolean {
    const origin = request.headers.origin;
    if (!changesSomething) {
      response.setHeader("Access-Control-Allow-Origin", "*");
    } else {
      response.setHeader("Vary", "Origin");
      if (origin === undefined) return true;
      if (!this.#mayChange(origin, request)) return false;
      response.setHeader("Access-Control-Allow-Origin", origin);
    }
    if (origin !== undefined) response.setHeader("Access-Control-Expose-Headers", exposeHeaders);
    return true;
  }

  /** Answers OPTIONS. A page that is not admitted gets no permission, which its browser turns into an error. */
  preflight(request: HttpRequest, response: HttpResponse, changesSomething: boolean): void {
    if (this.admit(request, response, changesSomething)) {
      response.setHeader("Access-Control-Allow-Methods", "GET, HEAD, POST");
      response.setHeader("Access-Control-Allow-Headers", allowHeaders);
      response.setHeader("Access-Control-Max-Age", "7200");
    }
    response.statusCode = 204;
    response.end();
  }

  #mayChange(origin: string, request: RequestHead): boolean {
    if (this.#allowed.has(origin)) return true;
    const host = authorityOf(request);
    return host !== undefined && URL.canParse(origin) && new URL(origin).host === host.toLowerCase();
  }
}

/** The Host header of HTTP/1.1 or the authority of HTTP/2. */
export function authorityOf(request: RequestHead): string | undefined {
  const authority = request.headers[":authority"];
  return typeof authority === "string" ? authority : request.headers.host;
}

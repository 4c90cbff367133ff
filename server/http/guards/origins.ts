import { cors as connectCors } from "@connectrpc/connect";
import { authorityOf, isAuthority } from "../base/authority.ts";
import type { HttpRequest, HttpResponse, RequestHead } from "../base/http-types.ts";
import { isLoopback } from "../base/networks.ts";

const allowHeaders = [
  ...connectCors.allowedHeaders,
  ...["Authorization", "If-None-Match", "Range", "Traceparent"],
].join(", ");
const exposeHeaders = [
  ...connectCors.exposedHeaders,
  ...["Server-Timing", "Retry-After", "Retry-After-Ms", "ETag", "Accept-Ranges", "Content-Range"],
].join(", ");

/**
 * CORS: pages of every origin may read, without credentials. Only the server's own page and pages of `allowOrigins`
 * may make calls that change something.
 */
export class Cors {
  readonly #allowed: ReadonlySet<string>;

  constructor(allowOrigins: readonly string[] = []) {
    this.#allowed = new Set(allowOrigins.map((origin) => new URL(origin).origin));
  }

  /** Sets the CORS headers of the answer. Returns false if the page may not make the call, which must not run. */
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

  /** Answers OPTIONS. A page that may not make the call gets no permission, and its browser then refuses the call. */
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
    const host = authorityOf(request.headers);
    return host !== undefined && URL.canParse(origin) && new URL(origin).host === host.toLowerCase();
  }
}

/** Accepted authorities that are remembered, so that a repeated one is not parsed again. */
const MAX_KNOWN = 64;

/** What the authority of a request is: a name of this server, another name, or no host and port. */
export type NamedHost = "ours" | "foreign" | "malformed";

/**
 * Returns a function that says whether an authority (see authorityOf) names this server. On a loopback bind a foreign
 * name is refused: a web page may point its own name at 127.0.0.1 and then call this server as its own origin (DNS
 * rebinding). On any other bind every name is accepted.
 */
export function hostCheck(options: {
  host: string;
  publicUrl?: string | undefined;
  allowedHosts?: readonly string[] | undefined;
}): (authority: string | undefined) => NamedHost {
  const takesAll = !isLoopback(options.host);
  const names = new Set(["localhost", ...(options.allowedHosts ?? []).map((name) => name.toLowerCase())]);
  if (options.publicUrl) names.add(hostName(new URL(options.publicUrl).host));
  const known = new Set<string>();
  return (authority = "") => {
    if (known.has(authority)) return "ours";
    if (authority !== "" && !isAuthority(authority)) return "malformed";
    const name = hostName(authority);
    if (!takesAll && !names.has(name) && !isLoopback(name)) return "foreign";
    if (known.size < MAX_KNOWN) known.add(authority);
    return "ours";
  };
}

/** The name in an authority, in lowercase, without the port and without the dot of the DNS root. */
function hostName(authority: string): string {
  return authority.toLowerCase().replace(/:\d*$/, "").replace(/\.$/, "");
}

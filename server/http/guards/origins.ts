import { isIP } from "node:net";
import { hostname } from "node:os";
import { cors as connectCors } from "@connectrpc/connect";
import { withoutBrackets } from "#core/base/host.ts";
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

/** The names under which others reach a server, and how it speaks to them. */
export interface OwnNames {
  /** The address that it is bound to. */
  readonly host: string;
  /** Scheme, host and port. */
  readonly publicUrl?: string | undefined;
  /** Further names, without a port. */
  readonly allowedHosts?: readonly string[] | undefined;
  /** Whether its port speaks TLS. */
  readonly tls: boolean;
  /** Origins of other pages that may make calls that change something. */
  readonly allowOrigins?: readonly string[] | undefined;
}

/** What a call is, for the pages that want to make it. */
export interface PageCall {
  readonly changes: boolean;
  /** Set if the call needs a token. */
  readonly authority?: unknown;
}

/**
 * CORS: pages of every origin may read, without credentials. Only the server's own page and pages of `allowOrigins`
 * may make calls that change something.
 */
export class Cors {
  readonly #allowed: ReadonlySet<string>;
  readonly #scheme: "http:" | "https:";
  readonly #isOwnName: (name: string) => boolean;

  constructor(own: OwnNames) {
    const { publicUrl, allowOrigins = [] } = own;
    const origins = [...allowOrigins, ...(publicUrl === undefined ? [] : [publicUrl])];
    this.#allowed = new Set(origins.map((origin) => new URL(origin).origin));
    this.#scheme = own.tls ? "https:" : "http:";
    this.#isOwnName = ownNames(own);
  }

  /** Sets the CORS headers of the answer. Returns false if the page may not make the call, which must not run. */
  admit(request: RequestHead, response: Pick<HttpResponse, "setHeader">, call: PageCall): boolean {
    const origin = request.headers.origin;
    if (!call.changes) {
      response.setHeader("Access-Control-Allow-Origin", "*");
    } else {
      response.setHeader("Vary", "Origin");
      if (origin === undefined) return true;
      if (!this.#mayChange(origin, request, call)) return false;
      response.setHeader("Access-Control-Allow-Origin", origin);
    }
    if (origin !== undefined) response.setHeader("Access-Control-Expose-Headers", exposeHeaders);
    return true;
  }

  /** Answers OPTIONS. A page that may not make the call gets no permission, and its browser then refuses the call. */
  preflight(request: HttpRequest, response: HttpResponse, call: PageCall): void {
    if (this.admit(request, response, call)) {
      response.setHeader("Access-Control-Allow-Methods", "GET, HEAD, POST");
      response.setHeader("Access-Control-Allow-Headers", allowHeaders);
      response.setHeader("Access-Control-Max-Age", "7200");
    }
    response.statusCode = 204;
    response.end();
  }

  /**
   * The server's own page has the scheme, the host and the port that the request was sent to. That proves nothing if
   * its name is one that anybody may point at this server (DNS rebinding). A page that has the token needs no proof.
   */
  #mayChange(origin: string, request: RequestHead, { authority: needsToken }: PageCall): boolean {
    if (this.#allowed.has(origin)) return true;
    const page = URL.parse(origin);
    const called = URL.parse(`${this.#scheme}//${authorityOf(request.headers)}`);
    if (!page || page.origin !== called?.origin) return false;
    return needsToken !== undefined || this.#isOwnName(hostName(page.host));
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
export function hostCheck(
  own: Pick<OwnNames, "host" | "publicUrl" | "allowedHosts">,
): (authority: string | undefined) => NamedHost {
  const isOurs = isLoopback(own.host) ? loopbackNames(own) : () => true;
  const known = new Set<string>();
  return (authority = "") => {
    if (known.has(authority)) return "ours";
    if (authority !== "" && !isAuthority(authority)) return "malformed";
    if (!isOurs(hostName(authority))) return "foreign";
    if (known.size < MAX_KNOWN) known.add(authority);
    return "ours";
  };
}

type NameCheck = (name: string) => boolean;

/** Whether a name is one of a server on loopback. */
function loopbackNames({
  publicUrl,
  allowedHosts = [],
}: Pick<OwnNames, "publicUrl" | "allowedHosts">): NameCheck {
  const names = new Set(["localhost", ...allowedHosts.map((name) => name.toLowerCase())]);
  if (publicUrl) names.add(hostName(new URL(publicUrl).host));
  return (name) => names.has(name) || isLoopback(name);
}

/** Whether a name leads to the server without a name server that a stranger controls. */
function ownNames(own: OwnNames): NameCheck {
  const isNamed = loopbackNames(own);
  const machine = hostname().toLowerCase();
  return (name) =>
    isNamed(name) || isIP(withoutBrackets(name)) !== 0 || name === machine || name === `${machine}.local`;
}

/** The name in an authority, in lowercase, without the port and without the dot of the DNS root. */
function hostName(authority: string): string {
  return authority.toLowerCase().replace(/:\d*$/, "").replace(/\.$/, "");
}

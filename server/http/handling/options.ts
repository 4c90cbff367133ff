import type { HttpRequest, HttpResponse } from "../base/http-types.ts";
import type { Limits } from "../base/limits.ts";
import type { Log } from "../base/log.ts";
import type { Call } from "../guards/gates.ts";
import type { SharedRate } from "../guards/rate-limit.ts";
import type { ServedService } from "./served-service.ts";

/** Options of every server. */
export interface EdgeOptions {
  /** The address to bind. Default 127.0.0.1. */
  readonly host?: string | undefined;
  /** 0 for any free port. */
  readonly port: number;
  /** Scheme, host and port at which others reach this server, if they differ from host and port. */
  readonly publicUrl?: string | undefined;
  /** Path of a PEM file: the certificate chain. With tlsKey, the port speaks TLS. A renewed file is noticed. */
  readonly tlsCert?: string | undefined;
  /** Path of a PEM file with the certificate's private key. */
  readonly tlsKey?: string | undefined;
  /**
   * Names of this server, besides localhost, IP addresses and the name in publicUrl: accepted in Host on a loopback
   * bind, and for the page of a server that needs no token.
   */
  readonly allowedHosts?: readonly string[] | undefined;
  /** Origins of pages that may call methods that change something. */
  readonly allowOrigins?: readonly string[] | undefined;
  /** Whether rated calls are limited for each address. Default true. */
  readonly rateLimit?: boolean | undefined;
  /** Default: nothing is logged. */
  readonly log?: Log | undefined;
}

/**
 * Answers a plain HTTP request and returns true, or leaves the request alone and returns false. "paced": the route has
 * sent the answer in parts and has held each part to the pace itself, so the answer may have any length.
 */
export type PlainHttp = (
  request: HttpRequest,
  response: HttpResponse,
  call: Pick<Call, "path" | "caller" | "pace">,
) => PlainAnswered | Promise<PlainAnswered>;

export type PlainAnswered = boolean | "paced";

export interface ServerOptions extends EdgeOptions {
  readonly services: readonly ServedService[];
  /** Whether the services' direct methods are used. Default true. */
  readonly direct?: boolean | undefined;
  /** Returns the count of calls that several servers share. Default: each server counts on its own. */
  readonly shareRate?: ((burst: number, perSecond: number) => SharedRate) | undefined;
  /** Networks (CIDR) of proxies whose X-Forwarded-For is believed. Default: none. */
  readonly trustedProxies?: readonly string[] | undefined;
  /** Plain HTTP routes beside the services and /healthz. Default: none. */
  readonly http?: PlainHttp | undefined;
  /** For tests and special networks. Defaults are in server/http/base/limits.ts. */
  readonly limits?: Partial<Limits> | undefined;
  /** How often the certificate's files are checked for a renewal. Default 10,000. */
  readonly certificateCheckMs?: number | undefined;
}

export interface RunningServer {
  /** publicUrl, or the scheme, host and port of the bind, without a slash at the end. */
  readonly url: string;
  /** The IP address that it is bound to. */
  readonly address: string;
  readonly port: number;
  /** Sets the answer of health checks. It is true at the start. */
  setHealth(serving: boolean): void;
  /**
   * Refuses new connections, ends streams, lets unary calls finish for `graceMs` (default 10,000), then ends them
   * with `unavailable` and closes. Resolves when no socket is left. A second call waits for the same end.
   */
  close(options?: { graceMs?: number }): Promise<void>;
}

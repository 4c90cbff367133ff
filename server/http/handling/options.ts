import type { Caller } from "../base/caller.ts";
import type { HttpRequest, HttpResponse } from "../base/http-types.ts";
import type { Limits } from "../base/limits.ts";
import type { Log } from "../base/log.ts";
import type { SharedRate } from "../guards/rate-limit.ts";
import type { ServedService } from "./served-service.ts";

/** What every server takes, whatever it serves. */
export interface EdgeOptions {
  /** Address to bind. Default 127.0.0.1. */
  readonly host?: string | undefined;
  /** 0 for any free port. */
  readonly port: number;
  /** Scheme, host and port under which others reach this server, where they differ from host and port. */
  readonly publicUrl?: string | undefined;
  /** Path of a PEM file with the certificate chain; with tlsKey, the port speaks TLS. Renewed files are noticed. */
  readonly tlsCert?: string | undefined;
  /** Path of a PEM file. */
  readonly tlsKey?: string | undefined;
  /** Host names to answer to on a loopback bind, besides localhost, loopback literals and publicUrl's. */
  readonly allowedHosts?: readonly string[] | undefined;
  /** Origins of pages that may call methods that change something. */
  readonly allowOrigins?: readonly string[] | undefined;
  /** Bounds the changing calls of an address. Default true. */
  readonly rateLimit?: boolean | undefined;
  /** Default: nothing is logged. */
  readonly log?: Log | undefined;
}

/** Plain HTTP routes: answers the request and returns true, or leaves it alone and returns false. */
export type PlainHttp = (
  request: HttpRequest,
  response: HttpResponse,
  caller: Caller,
) => boolean | Promise<boolean>;

export interface ServerOptions extends EdgeOptions {
  readonly services: readonly ServedService[];
  /** Whether the services' direct methods are used. Default true. */
  readonly direct?: boolean | undefined;
  /** Where calls are counted that are counted in several servers together. Default: each server counts its own. */
  readonly shareRate?: ((burst: number, perSecond: number) => SharedRate) | undefined;
  /** Networks, as CIDR, of proxies whose X-Forwarded-For tells RPCs who calls. Default none. */
  readonly trustedProxies?: readonly string[] | undefined;
  /** Plain HTTP beside the services. Default: there is none but /healthz. */
  readonly http?: PlainHttp | undefined;
  /** For tests and special networks; each has its default in limits.ts. */
  readonly limits?: Partial<Limits> | undefined;
  /** How often the certificate's files are looked at. Default 10,000. */
  readonly certificateCheckMs?: number | undefined;
}

export interface RunningServer {
  /** publicUrl, or the scheme, host and port that it is bound to. No slash at the end. */
  readonly url: string;
  readonly port: number;
  /** What health checks answer; true from the start. */
  setHealth(serving: boolean): void;
  /**
   * Takes no new connection, ends watches, lets other calls finish for `graceMs` (default 10,000), tells what is left
   * that the server is going, and closes. Resolves when no socket is left; calling it again waits for the same end.
   */
  close(options?: { graceMs?: number }): Promise<void>;
}

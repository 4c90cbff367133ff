import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { PeerFailed } from "#core/base/errors.ts";
import { isPeerUrl } from "#core/base/server-url.ts";
import { downloadDefaults } from "#core/download/options.ts";
import type { AnswerBuffers } from "#core/rpc/answer-buffers.ts";
import { cappedFetch } from "#core/rpc/capped-fetch.ts";
import { NO_ADDRESS, NO_LOCAL_NETWORK, PAGE_KEPT_OUT } from "../base/trouble.ts";
import { browserClock } from "./browser-clock.ts";
import { lacksPermission } from "./local-network.ts";
import { peerTransport } from "./peer-transport.ts";

/**
 * Stall time of calls that send much: nothing comes back before the last byte is sent, and the call has its own
 * deadline.
 */
export const NO_STALL_LIMIT_MS = 2 ** 31 - 1;

const PROBE_MS = 5_000;

/**
 * Without TLS, browsers use HTTP/1.1 with six connections to an origin. One is left to ask which pieces the peer has.
 */
const MAX_IN_FLIGHT_CLEARTEXT = 5;

/** gRPC-Web to a server. A call fails if the answer is over `limitBytes` or stalls for `stallMs`. */
export function transportTo(url: string, limitBytes: number, stallMs?: number) {
  return createGrpcWebTransport({
    baseUrl: url,
    useBinaryFormat: true,
    fetch: fetchUpTo(limitBytes, stallMs),
  });
}

/** The same for calls that change something at a server of another origin, which has to let this page in for that. */
export function transportToChange(url: string, limitBytes: number) {
  const capped = cappedFetch(fetchToChange, { limitBytes, clock: browserClock, stallMs: NO_STALL_LIMIT_MS });
  return createGrpcWebTransport({ baseUrl: url, useBinaryFormat: true, fetch: capped });
}

/** The same for the calls of a download to a peer. Pieces are read into `buffers`. */
export function transportToPeer(url: string, limitBytes: number, buffers: AnswerBuffers) {
  return peerTransport({ url, fetch: fetchWithReason, limitBytes, buffers, clock: browserClock });
}

export function fetchUpTo(limitBytes: number, stallMs?: number) {
  return cappedFetch(fetchWithReason, { limitBytes, clock: browserClock, stallMs });
}

/** Fetches, and gives a failure its reason as far as it can be known: browsers only say "Failed to fetch". */
async function fetchWithReason(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
  try {
    return await fetch(input, init);
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    const url = new URL(input instanceof Request ? input.url : input, location.href);
    if (await lacksPermission(url, new URL(location.href))) {
      throw new PeerFailed("permission_denied", NO_LOCAL_NETWORK, { cause });
    }
    throw new PeerFailed("unavailable", "cannot be reached", { cause });
  }
}

/** Fetches, and tells a server that keeps this page out from one that is not there: both look alike to a page. */
async function fetchToChange(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
  try {
    return await fetchWithReason(input, init);
  } catch (cause) {
    const unavailable = cause instanceof PeerFailed && cause.code === "unavailable";
    if (!unavailable || !(await answersAnybody(new URL(input instanceof Request ? input.url : input))))
      throw cause;
    throw new PeerFailed("permission_denied", PAGE_KEPT_OUT, { cause });
  }
}

/** Whether a server answers at all. The page cannot read this answer, so the server need not let it in. */
function answersAnybody({ origin }: URL): Promise<boolean> {
  const blind = { mode: "no-cors", credentials: "omit", cache: "no-store" } as const;
  return fetch(`${origin}/healthz`, { ...blind, signal: AbortSignal.timeout(PROBE_MS) }).then(
    () => true,
    () => false,
  );
}

/**
 * The reason why this page may not use that server, or undefined. A URL with more than scheme, host and port would
 * let a tracker choose the request. An https page may use http servers only on the person's own machine.
 */
export function whyUnreachable(url: string, origin: string): string | undefined {
  if (!isPeerUrl(url)) return NO_ADDRESS;
  const { protocol, hostname } = new URL(url);
  if (!origin.startsWith("https:") || protocol === "https:") return undefined;
  if (/^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname)) return undefined;
  return "an https page cannot use a peer without https";
}

/** Requests in flight at a peer. Over TLS they share one HTTP/2 connection, so the default of the engine applies. */
export function maxInFlightPerPeer(url: string): number {
  return new URL(url).protocol === "https:" ? downloadDefaults.maxInFlightPerPeer : MAX_IN_FLIGHT_CLEARTEXT;
}

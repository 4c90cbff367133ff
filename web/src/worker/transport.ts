import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { PeerFailed } from "#core/base/errors.ts";
import { downloadDefaults } from "#core/download/options.ts";
import type { AnswerBuffers } from "#core/rpc/answer-buffers.ts";
import { cappedFetch } from "#core/rpc/capped-fetch.ts";
import { NO_ADDRESS, NO_LEAVE } from "../base/trouble.ts";
import { browserClock } from "./browser-clock.ts";
import { lacksLeave } from "./local-network.ts";
import { peerTransport } from "./peer-transport.ts";

/** For calls that send much: until the last byte is out nothing can come back, and the call has a deadline of its own. */
export const PATIENT_MS = 2 ** 31 - 1;

/** A browser speaks HTTP/1.1 without TLS, and has six connections to an origin: one is left to ask what the peer has. */
const MAX_IN_FLIGHT_CLEARTEXT = 5;

/** gRPC-Web to a server. Answers over `limitBytes`, and silence of `stallMs`, fail. */
export function transportTo(url: string, limitBytes: number, stallMs?: number) {
  return createGrpcWebTransport({
    baseUrl: url,
    useBinaryFormat: true,
    fetch: fetchUpTo(limitBytes, stallMs),
  });
}

/** The same for what a download asks a peer; pieces come in `buffers`. */
export function transportToPeer(url: string, limitBytes: number, buffers: AnswerBuffers) {
  return peerTransport({ url, fetch: tellingFetch, limitBytes, buffers, clock: browserClock });
}

export function fetchUpTo(limitBytes: number, stallMs?: number) {
  return cappedFetch(tellingFetch, { limitBytes, clock: browserClock, stallMs });
}

/** A browser says "Failed to fetch" of everything that is no answer, and keeps the reason to itself. */
async function tellingFetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
  try {
    return await fetch(input, init);
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    const url = new URL(input instanceof Request ? input.url : input, location.href);
    if (await lacksLeave(url, new URL(location.href))) {
      throw new PeerFailed("permission_denied", NO_LEAVE, { cause });
    }
    throw new PeerFailed("unavailable", "cannot be reached", { cause });
  }
}

/**
 * Why this page may not ask that server. What is more than scheme, host and port would let a tracker choose what is asked
 * of a server; and a page from https may not ask http servers, but for the person's own machine.
 */
export function whyUnreachable(url: string, origin: string): string | undefined {
  if (!isAddress(url)) return NO_ADDRESS;
  const { protocol, hostname } = new URL(url);
  if (!origin.startsWith("https:") || protocol === "https:") return undefined;
  if (/^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname)) return undefined;
  return "an https page cannot use a peer without https";
}

function isAddress(text: string): boolean {
  if (!URL.canParse(text) || /[?#@]/.test(text)) return false;
  const { protocol, pathname } = new URL(text);
  return /^https?:$/.test(protocol) && pathname === "/";
}

/** Requests under way at a peer: over TLS they share one HTTP/2 connection, so the engine's word counts there. */
export function maxInFlightPerPeer(url: string): number {
  return new URL(url).protocol === "https:" ? downloadDefaults.maxInFlightPerPeer : MAX_IN_FLIGHT_CLEARTEXT;
}

import http from "node:http";
import https from "node:https";
import { PeerFailed, PiezaError } from "#core/base/errors.ts";
import { isServerUrl } from "#core/base/server-url.ts";
import { proxyFor } from "../../http/client/proxy.ts";
import { agentFor } from "../../http/client/proxy-agent.ts";
import { Reach } from "../../http/client/reach.ts";

/** Redirects that are followed, one after the other. */
const MAX_REDIRECTS = 5;
const STATUSES: ReadonlySet<number | undefined> = new Set([301, 302, 303, 307, 308]);

/** A redirect leads where this program does not follow. */
export class RedirectRefused extends PiezaError {
  constructor(message: string) {
    super("unavailable", message);
  }
}

/** The answer at the end of redirects, and its URL. */
export interface Followed {
  readonly response: http.IncomingMessage;
  readonly url: string;
}

/**
 * Sends an HTTP request on a connection of its own, through the proxy that the environment names. Resolves with the
 * status and headers of the answer; fails with the system's errors. `ca`: PEM to trust besides the system's
 * certificates.
 */
export function sendRequest(
  url: string,
  ca: string | Buffer | undefined,
  { lookup, ...options }: https.RequestOptions,
): Promise<http.IncomingMessage> {
  const request = url.startsWith("https:") ? https.request : http.request;
  // A proxy looks the name up itself; here, the lookup would be of the proxy's name.
  const direct = lookup && !proxyFor(url) ? { lookup } : {};
  return new Promise((resolve, reject) => {
    const sent = request(url, { ...options, ...direct, agent: agentFor(url, ca) });
    sent.once("response", resolve).once("error", reject).end();
  });
}

/**
 * Sends a GET request and follows redirects: at most five, never to another scheme than http and https, never from
 * https to http, and never to an address nearer than the server's. Fails with RedirectRefused, and as sendRequest.
 */
export async function follow(
  start: string,
  ca: string | Buffer | undefined,
  options: https.RequestOptions,
): Promise<Followed> {
  const reach = new Reach({ advice: () => "give that URL itself to use it" });
  let url = new URL(start).href;
  let response = await sendRequest(url, ca, { ...options, lookup: reach.lookupOf(url) });
  for (let redirects = 0; isRedirect(response); redirects++) {
    response.destroy();
    if (redirects === MAX_REDIRECTS)
      throw new RedirectRefused(`${start} redirects more than ${MAX_REDIRECTS} times`);
    const next = nextUrl(url, response.headers.location!);
    await reach.named(url, [next]);
    try {
      response = await sendRequest(next, ca, { ...options, lookup: reach.lookupTo(next) });
    } catch (error) {
      if (!(error instanceof PeerFailed)) throw error;
      throw new RedirectRefused(`${url} redirects to ${next}, and ${error.message}`);
    }
    url = next;
  }
  return { response, url };
}

function isRedirect({ statusCode, headers }: http.IncomingMessage): boolean {
  return STATUSES.has(statusCode) && headers.location !== undefined;
}

/** The URL in a Location header. Throws RedirectRefused. */
function nextUrl(from: string, location: string): string {
  const next = URL.parse(location, from);
  const refused = (why: string) =>
    new RedirectRefused(`${from} redirects to ${next?.href ?? location}, ${why}`);
  if (!next || !isServerUrl(next.origin)) throw refused("which is no http or https URL");
  if (from.startsWith("https:") && next.protocol === "http:") throw refused("which is not encrypted");
  // A password is for the server that the person gave it to.
  if (next.origin !== new URL(from).origin) Object.assign(next, { username: "", password: "" });
  return next.href;
}

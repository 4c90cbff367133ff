import { readFile } from "node:fs/promises";
import http from "node:http";
import https from "node:https";
import { messageOf, PiezaError } from "#core/base/errors.ts";
import { agentFor } from "../../http/client/proxy-agent.ts";
import { tlsProblem } from "../../http/client/tls-problem.ts";

/** How long a server may take for a whole answer. */
const DEADLINE_MS = 30_000;

export interface GetOptions {
  /** A PEM file of certificates to trust besides the system's. */
  readonly ca?: string | undefined;
  /** Longer answers are refused. */
  readonly maxBytes: number;
  readonly signal: AbortSignal;
}

/**
 * The text at an http or https URL. Fails with PiezaError: not_found for 404, unauthenticated and permission_denied for
 * 401 and 403, unavailable for everything else that the server or the network did.
 */
export async function getText(url: string, options: GetOptions): Promise<string> {
  const ca = options.ca === undefined ? undefined : await readFile(options.ca);
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(DEADLINE_MS)]);
  try {
    const response = await request(new URL(url), ca, signal);
    checkStatus(url, response.statusCode ?? 0);
    return await readBody(response, options.maxBytes);
  } catch (error) {
    if (error instanceof PiezaError) throw error;
    options.signal.throwIfAborted();
    const problem = tlsProblem(error) ?? messageOf(error);
    throw new PiezaError("unavailable", `cannot reach ${url}: ${problem}`, { cause: error });
  }
}

function request(url: URL, ca: Buffer | undefined, signal: AbortSignal): Promise<http.IncomingMessage> {
  const headers = { accept: "application/json" };
  const agent = agentFor(url.href, ca);
  const get = url.protocol === "https:" ? https.get : http.get;
  return new Promise((resolve, reject) => {
    get(url, { headers, signal, agent }).once("response", resolve).once("error", reject);
  });
}

function checkStatus(url: string, status: number): void {
  if (status === 200) return;
  const code =
    status === 404
      ? "not_found"
      : status === 401
        ? "unauthenticated"
        : status === 403
          ? "permission_denied"
          : "unavailable";
  const answer = `${url} answered ${status} ${http.STATUS_CODES[status] ?? ""}`.trim();
  // What servers of all kinds say to who speaks plain HTTP at their TLS port.
  const hint = status === 400 && url.startsWith("http:") ? "; perhaps it speaks TLS, at https:" : "";
  throw new PiezaError(code, answer + hint);
}

async function readBody(response: http.IncomingMessage, maxBytes: number): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > maxBytes) throw new PiezaError("unavailable", `the answer is longer than ${maxBytes} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}

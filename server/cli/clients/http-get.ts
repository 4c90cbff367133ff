import { readFile } from "node:fs/promises";
import http from "node:http";
import https from "node:https";
import { type ErrorCode, messageOf, PiezaError } from "#core/base/errors.ts";
import { agentFor } from "../../http/client/proxy-agent.ts";
import { tlsProblem } from "../../http/client/tls-problem.ts";

/** A server that has not sent its whole answer by then has failed. */
const DEADLINE_MS = 30_000;

export interface TextRequest {
  /** The path of a PEM file with certificates to trust besides the system's. */
  readonly ca?: string | undefined;
  /** Longer answers are refused. */
  readonly maxBytes: number;
  readonly signal: AbortSignal;
}

/**
 * The UTF-8 text at an http or https URL. Fails with PiezaError: not_found for status 404, unauthenticated for 401,
 * permission_denied for 403, unavailable for any other status, for a network error and after 30 s.
 */
export async function getText(url: string, options: TextRequest): Promise<string> {
  const ca = options.ca === undefined ? undefined : await readFile(options.ca);
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(DEADLINE_MS)]);
  try {
    const response = await sendRequest(new URL(url).href, ca, {
      headers: { accept: "application/json" },
      signal,
    });
    checkStatus(url, response.statusCode ?? 0);
    return await readBody(response, options.maxBytes);
  } catch (error) {
    if (error instanceof PiezaError) throw error;
    options.signal.throwIfAborted();
    const problem = tlsProblem(error) ?? messageOf(error);
    throw new PiezaError("unavailable", `cannot reach ${url}: ${problem}`, { cause: error });
  }
}

/**
 * Sends an HTTP request on a connection of its own, through the proxy that the environment names. Resolves with the
 * status and headers of the answer; fails with the system's errors. `ca`: PEM to trust besides the system's
 * certificates.
 */
export function sendRequest(
  url: string,
  ca: string | Buffer | undefined,
  options: https.RequestOptions,
): Promise<http.IncomingMessage> {
  const request = url.startsWith("https:") ? https.request : http.request;
  return new Promise((resolve, reject) => {
    const sent = request(url, { ...options, agent: agentFor(url, ca) });
    sent.once("response", resolve).once("error", reject).end();
  });
}

const codes: Readonly<Record<number, ErrorCode>> = {
  401: "unauthenticated",
  403: "permission_denied",
  404: "not_found",
};

function checkStatus(url: string, status: number): void {
  if (status === 200) return;
  const code = codes[status] ?? "unavailable";
  const answer = `${url} answered ${status} ${http.STATUS_CODES[status] ?? ""}`.trim();
  // Most servers answer 400 to plain HTTP at a TLS port.
  const hint = status === 400 && url.startsWith("http:") ? "; if the port is for TLS, use https:" : "";
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

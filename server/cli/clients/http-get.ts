import { readFile } from "node:fs/promises";
import http from "node:http";
import { type ErrorCode, messageOf, PiezaError } from "#core/base/errors.ts";
import { tlsProblem } from "../../http/client/tls-problem.ts";
import { follow } from "./redirects.ts";

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
 * The UTF-8 text at an http or https URL, after redirects: see follow. Fails with PiezaError: not_found for status 404,
 * unauthenticated for 401, permission_denied for 403, unavailable for any other status, for a network error and after
 * 30 s.
 */
export async function getText(url: string, options: TextRequest): Promise<string> {
  return (await getTextFrom(url, options)).text;
}

/** The same, with the URL at which the text was found. */
export async function getTextFrom(url: string, options: TextRequest): Promise<{ text: string; url: string }> {
  const ca = options.ca === undefined ? undefined : await readFile(options.ca);
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(DEADLINE_MS)]);
  try {
    const { response, url: last } = await follow(url, ca, {
      headers: { accept: "application/json" },
      signal,
    });
    checkStatus(last, response.statusCode ?? 0);
    return { text: await readBody(response, options.maxBytes), url: last };
  } catch (error) {
    if (error instanceof PiezaError) throw error;
    options.signal.throwIfAborted();
    const problem = tlsProblem(error) ?? messageOf(error);
    throw new PiezaError("unavailable", `cannot reach ${url}: ${problem}`, { cause: error });
  }
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

import type http from "node:http";
import tls from "node:tls";
import { PiezaError } from "#core/base/errors.ts";
import { sendRequest } from "../clients/redirects.ts";

/** A server that has not answered by then has failed. */
export const ANSWER_MS = 5_000;
const MAX_BODY_BYTES = 1 << 20;

export interface ProbeOptions {
  readonly method?: "GET" | "OPTIONS" | "POST";
  readonly headers?: Readonly<Record<string, string>>;
  /** PEM to trust besides the system's certificates. */
  readonly ca?: string | undefined;
  readonly signal: AbortSignal;
}

export interface Probed {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  /** The first MiB of the answer. */
  readonly body: string;
  readonly tookMs: number;
  /** The end of the server certificate's validity; undefined without TLS. */
  readonly validUntil: Date | undefined;
}

/** Sends one HTTP request. Fails with the system's errors, and with deadline_exceeded after ANSWER_MS. */
export async function probe(url: string, options: ProbeOptions): Promise<Probed> {
  const { method = "GET", headers, ca } = options;
  const deadline = AbortSignal.timeout(ANSWER_MS);
  const signal = AbortSignal.any([options.signal, deadline]);
  const startedMs = performance.now();
  try {
    const response = await sendRequest(url, ca, { method, headers, signal });
    const validUntil = validity(response.socket);
    const body = await readStart(response);
    const tookMs = performance.now() - startedMs;
    return { status: response.statusCode ?? 0, headers: response.headers, body, tookMs, validUntil };
  } catch (error) {
    options.signal.throwIfAborted();
    if (!deadline.aborted) throw error;
    throw new PiezaError("deadline_exceeded", `no answer in ${ANSWER_MS / 1000} s`, { cause: error });
  }
}

function validity(socket: unknown): Date | undefined {
  if (!(socket instanceof tls.TLSSocket)) return undefined;
  const { valid_to: validTo } = socket.getPeerCertificate();
  return validTo ? new Date(validTo) : undefined;
}

async function readStart(response: http.IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    parts.push(part);
    length += part.length;
    if (length > MAX_BODY_BYTES) break;
  }
  return Buffer.concat(parts).toString("utf8");
}

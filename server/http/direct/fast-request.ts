import type { RequestHead } from "../base/http-types.ts";

/** Longer than what callers of short methods send; a longer request is Node's. */
const MAX_HEAD_BYTES = 4 << 10;

const REQUEST_LINE = /^POST (\/[\w./-]+) HTTP\/1\.1$/;
/** Each character is looked at once, whatever a line is made of: these are the first bytes of anybody. */
const HEADER = /^([!#$%&'*+.^_`|~\w-]+):([\x20-\x7e]*)$/;
/** What changes how a request is read, or what becomes of its connection, in ways that only Node knows. */
const LEFT_TO_NODE = new Set([
  "transfer-encoding",
  "trailer",
  "te",
  "expect",
  "upgrade",
  "http2-settings",
  "keep-alive",
  "proxy-connection",
]);

/** What stands in front of a request's body, as far as a connection says the same again and again. */
export interface FastHead {
  /** All of it, one character a byte, with the empty line. */
  readonly text: string;
  readonly path: string;
  /** Names in lowercase; each once. */
  readonly headers: RequestHead["headers"];
  readonly bodyBytes: number;
  /** The caller wants no other answer over this connection. */
  readonly isLast: boolean;
}

export interface FastRequest {
  readonly head: FastHead;
  readonly body: Buffer;
}

/**
 * The request that these bytes are, or undefined if they are not exactly one POST over HTTP/1.1, whole, with a length,
 * and in the plain form that programs write: Node's parser decides what anything else is. What is accepted here means
 * the same there (RFC 9112), so that no proxy in front of us can have taken it for something else. `before` is the head
 * of the request before, mostly the same.
 */
export function fastRequest(bytes: Buffer, before: FastHead | undefined): FastRequest | undefined {
  const head = before && begins(bytes, before.text) ? before : parseHead(bytes);
  if (!head) return undefined;
  const body = bytes.subarray(head.text.length);
  return body.length === head.bodyBytes ? { head, body } : undefined;
}

function begins(bytes: Buffer, text: string): boolean {
  return bytes.length >= text.length && bytes.toString("latin1", 0, text.length) === text;
}

function parseHead(bytes: Buffer): FastHead | undefined {
  const end = bytes.subarray(0, MAX_HEAD_BYTES).indexOf("\r\n\r\n", 0, "latin1");
  if (end < 0) return undefined;
  const text = bytes.toString("latin1", 0, end + 4);
  const [first, ...lines] = text.slice(0, end).split("\r\n");
  const path = REQUEST_LINE.exec(first!)?.[1];
  if (path === undefined) return undefined;
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const [, rawName, rawValue] = HEADER.exec(line) ?? [];
    if (rawName === undefined || rawValue === undefined) return undefined;
    const name = rawName.toLowerCase();
    if (LEFT_TO_NODE.has(name) || Object.hasOwn(headers, name) || name === "__proto__") return undefined;
    headers[name] = rawValue.trim();
  }
  const { host, connection = "keep-alive", "content-length": length = "" } = headers;
  if (!host || !/^(keep-alive|close)$/i.test(connection) || !/^\d{1,4}$/.test(length)) return undefined;
  return { text, path, headers, bodyBytes: Number(length), isLast: connection.toLowerCase() === "close" };
}

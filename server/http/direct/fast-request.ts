import type { RequestHead } from "../base/http-types.ts";

/** Longest request head that is parsed here; callers of short methods send less. Node parses a longer one. */
const MAX_HEAD_BYTES = 4 << 10;

const REQUEST_LINE = /^POST (\/[\w./-]+) HTTP\/1\.1$/;
/** Matches in linear time whatever the line holds: these bytes come from callers that nothing has checked yet. */
const HEADER = /^([!#$%&'*+.^_`|~\w-]+):([\x20-\x7e]*)$/;
/** Headers that change how the request is framed or what happens to its connection. Node handles these requests. */
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

/** The head of a request: request line and headers. A connection mostly repeats it from call to call. */
export interface FastHead {
  /** All of the head with its empty line, one character for each byte. */
  readonly text: string;
  readonly path: string;
  /** Names in lowercase, each at most once. */
  readonly headers: RequestHead["headers"];
  readonly bodyBytes: number;
  /** Whether the caller wants the connection closed after the answer. */
  readonly isLast: boolean;
}

export interface FastRequest {
  readonly head: FastHead;
  readonly body: Buffer;
}

/**
 * Parses exactly one complete POST over HTTP/1.1 with a content-length, in the plain form that programs write.
 * Returns undefined for any other bytes, which Node then parses. Every request accepted here means the same to Node
 * and to a proxy in front (RFC 9112), so that no request can be smuggled past one. `before` is the head of the
 * previous request, which saves parsing an equal head.
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

import { PeerFailed } from "#core/base/errors.ts";

/** Longest head that is read; a stock server's is a tenth of it. */
const MAX_HEAD_BYTES = 16 << 10;
const CR = 13;
const LF = 10;

/** The head of an HTTP/1.1 answer. */
export interface ResponseHead {
  readonly status: number;
  /** By lowercase name; of a repeated one the last. */
  readonly headers: ReadonlyMap<string, string>;
}

/**
 * Takes an answer's bytes as they come until its head is whole. One answer each; what follows the head is the body.
 */
export class HeadReader {
  #bytes: Buffer = Buffer.alloc(0);

  /**
   * Returns undefined while the head is not whole; then the head and where the body begins in `chunk`. Throws
   * PeerFailed for what is not HTTP/1.1.
   */
  read(chunk: Buffer): { head: ResponseHead; bodyStart: number } | undefined {
    const before = this.#bytes.length;
    const all = before === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    const end = endOfHead(all, Math.max(0, before - 3));
    if (end < 0 && all.length > MAX_HEAD_BYTES)
      throw new PeerFailed("internal", "the answer's head does not end");
    if (end < 0) {
      this.#bytes = before === 0 ? Buffer.from(chunk) : all;
      return undefined;
    }
    this.#bytes = Buffer.alloc(0);
    return { head: parseHead(all.toString("latin1", 0, end)), bodyStart: end - before };
  }
}

/** Index after the blank line, or -1. */
function endOfHead(bytes: Buffer, from: number): number {
  for (let at = bytes.indexOf(LF, from); at >= 0; at = bytes.indexOf(LF, at + 1)) {
    if (at >= 3 && bytes[at - 1] === CR && bytes[at - 2] === LF && bytes[at - 3] === CR) return at + 1;
  }
  return -1;
}

function parseHead(text: string): ResponseHead {
  const [statusLine = "", ...lines] = text.split("\r\n");
  const status = /^HTTP\/1\.1 (\d{3})(?: |$)/.exec(statusLine)?.[1];
  if (status === undefined) throw new PeerFailed("internal", "the answer is not HTTP/1.1");
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (colon > 0) headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  return { status: Number(status), headers };
}

/** Bytes of the body where the head says so, or undefined: another transfer coding, or until the connection ends. */
export function contentLength({ headers }: ResponseHead): number | undefined {
  const length = headers.get("content-length");
  if (headers.has("transfer-encoding") || length === undefined || !/^\d{1,15}$/.test(length))
    return undefined;
  return Number(length);
}

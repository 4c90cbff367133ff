import { UnusualAnswer } from "./unusual-answer.ts";

/** Bytes of the longest head that is read; a stock server's is a tenth of it. */
const MAX_HEAD_BYTES = 16 << 10;
/** The first byte of every HTTP/1.1 answer. An HTTP/2 server begins with another byte and may never end a line. */
const FIRST_BYTE = "H".charCodeAt(0);
const CR = 13;
const LF = 10;

/** The head of an HTTP/1.1 answer. */
export interface ResponseHead {
  readonly status: number;
  /** By lowercase name; of a repeated header the last value. */
  readonly headers: ReadonlyMap<string, string>;
}

/** Takes the bytes of one answer until its head is whole. Throws `malformed` errors unless it is HTTP/1.1. */
export class HeadReader {
  readonly #malformed: (problem: string) => Error;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(malformed: (problem: string) => Error) {
    this.#malformed = malformed;
  }

  /**
   * Returns the head and the place in `chunk` where the body begins, or undefined while the head is not whole. An
   * answer that cannot be HTTP/1.1 fails at its first byte.
   */
  read(chunk: Buffer): { head: ResponseHead; bodyStart: number } | undefined {
    const before = this.#bytes.length;
    const all = before === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    if (all[0] !== FIRST_BYTE) throw this.#notHttp1();
    const end = endOfHead(all, Math.max(0, before - 3));
    if (end < 0 && all.length > MAX_HEAD_BYTES) throw this.#malformed("the answer's head does not end");
    if (end < 0) {
      this.#bytes = before === 0 ? Buffer.from(chunk) : all;
      return undefined;
    }
    this.#bytes = Buffer.alloc(0);
    return { head: this.#parse(all.toString("latin1", 0, end)), bodyStart: end - before };
  }

  #parse(text: string): ResponseHead {
    const [statusLine = "", ...lines] = text.split("\r\n");
    const status = /^HTTP\/1\.1 (\d{3})(?: |$)/.exec(statusLine)?.[1];
    if (status === undefined) throw this.#notHttp1();
    const headers = new Map<string, string>();
    for (const line of lines) {
      const colon = line.indexOf(":");
      if (colon > 0) headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
    }
    return { status: Number(status), headers };
  }

  #notHttp1(): Error {
    return this.#malformed("the answer is not HTTP/1.1; --transport grpc asks over HTTP/2");
  }
}

/** Index after the blank line, or -1. */
function endOfHead(bytes: Buffer, from: number): number {
  for (let at = bytes.indexOf(LF, from); at >= 0; at = bytes.indexOf(LF, at + 1)) {
    if (at >= 3 && bytes[at - 1] === CR && bytes[at - 2] === LF && bytes[at - 3] === CR) return at + 1;
  }
  return -1;
}

/** Bytes of the body. Throws UnusualAnswer for a chunked or compressed body, and for one without Content-Length. */
export function bodyLength({ headers }: ResponseHead): number {
  const length = headers.get("content-length");
  const encoding = headers.get("content-encoding") ?? "identity";
  if (headers.has("transfer-encoding") || encoding !== "identity" || !/^\d{1,15}$/.test(length ?? ""))
    throw new UnusualAnswer("not a body of known length");
  return Number(length);
}

/** Whether the server takes another request on the connection. */
export function keepsConnection({ headers }: ResponseHead): boolean {
  return headers.get("connection")?.toLowerCase() !== "close";
}

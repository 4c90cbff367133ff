import type { Clock } from "../base/clock.ts";
import { PeerFailed } from "../base/errors.ts";
import { AnswerBuffers } from "./answer-buffers.ts";
import { AnswerTooLong } from "./errors.ts";

export type Fetch = (input: RequestInfo | URL, init?: RequestInit) => Promise<Response>;

export interface CappedFetchOptions {
  /** Bytes of an answer's body at most; the next one ends it, and so does a frame that says that it is longer. */
  readonly limitBytes: number;
  readonly clock: Clock;
  /** Ends an answer of which nothing came for so long. Default 10,000. */
  readonly stallMs?: number | undefined;
}

const DEFAULT_STALL_MS = 10_000;

/**
 * A fetch for answers from peers, which may send anything: no more than `limitBytes` reach whoever reads, silence ends,
 * redirects fail, and no cookie, login or referrer goes out. connect-web has no limit of its own, and takes as much
 * memory as the length in front of a message says before a byte of it has come: without this, a peer decides how much
 * a tab uses. An answer over the limit fails with AnswerTooLong.
 */
export function cappedFetch(fetch: Fetch, options: CappedFetchOptions): Fetch {
  return async (input, init) => {
    const { response, limit, waiting } = await begin(fetch, options, input, init);
    return response.body ? new Response(capped(response.body, limit, waiting), response) : response;
  };
}

/** An answer whose body has come. */
export interface WholeAnswer {
  readonly response: Response;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * The same for an answer that is of no use before its end: its body is read into one buffer, one of `buffers`. Whoever
 * needs the answer no more may give it back.
 */
export function cappedWhole(
  fetch: Fetch,
  options: CappedFetchOptions,
  buffers = new AnswerBuffers(),
): (...request: Parameters<Fetch>) => Promise<WholeAnswer> {
  return async (input, init) => {
    const { response, limit, waiting } = await begin(fetch, options, input, init);
    // Room for one byte too many.
    const buffer = buffers.take(options.limitBytes + 1);
    const bytes = response.body
      ? await wholeOf(response.body, buffer, limit, waiting)
      : new Uint8Array(buffer, 0, 0);
    return { response, bytes };
  };
}

/** Waits for something that a peer has to do, and ends its answer if it does nothing for too long. */
type Waiting = <T>(wait: Promise<T>) => Promise<T>;

/** Resolves when the head of the answer is there. */
async function begin(
  fetch: Fetch,
  options: CappedFetchOptions,
  ...[input, init]: Parameters<Fetch>
): Promise<{ response: Response; limit: AnswerLimit; waiting: Waiting }> {
  const stallMs = options.stallMs ?? DEFAULT_STALL_MS;
  const silent = new AbortController();
  const waiting: Waiting = async (wait) => {
    const cancel = options.clock.after(stallMs, () => {
      silent.abort(new PeerFailed("deadline_exceeded", `no byte for ${stallMs} ms`));
    });
    try {
      return await wait;
    } finally {
      cancel();
    }
  };
  const response = await waiting(
    fetch(input, {
      ...init,
      signal: init?.signal ? AbortSignal.any([init.signal, silent.signal]) : silent.signal,
      redirect: "error",
      credentials: "omit",
      referrerPolicy: "no-referrer",
    }),
  );
  const inFrames = isFramed(new Headers(init?.headers).get("content-type"));
  // connect-web would read a page of some proxy as frames too.
  if (response.body && inFrames && response.ok && !isFramed(response.headers.get("content-type"))) {
    response.body.cancel().catch(() => {});
    throw new PeerFailed("unavailable", "answered with something else");
  }
  return { response, limit: new AnswerLimit(options.limitBytes, inFrames), waiting };
}

function isFramed(contentType: string | null): boolean {
  return /^application\/(grpc|connect\+)/.test(contentType ?? "");
}

function capped(
  body: ReadableStream<Uint8Array>,
  limit: AnswerLimit,
  waiting: Waiting,
): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await waiting(reader.read());
      if (done) return controller.close();
      if (!limit.bears(value)) throw tooLong(reader);
      controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  });
}

async function wholeOf(
  body: ReadableStream<Uint8Array>,
  whole: ArrayBuffer,
  limit: AnswerLimit,
  waiting: Waiting,
): Promise<Uint8Array<ArrayBuffer>> {
  const reader = intoBuffers(body);
  let buffer = whole;
  let length = 0;
  for (;;) {
    const { done, value } = await waiting(reader.read(new Uint8Array(buffer, length)));
    if (done || !value) return new Uint8Array(value?.buffer ?? buffer, 0, length);
    if (!limit.bears(value)) throw tooLong(reader);
    buffer = value.buffer;
    length += value.length;
  }
}

/** Reads to the start of the buffer that is given, and gives it back. */
interface BufferReader {
  read(
    into: Uint8Array<ArrayBuffer>,
  ): Promise<{ done: boolean; value?: Uint8Array<ArrayBuffer> | undefined }>;
  cancel(reason: unknown): Promise<void>;
}

/** Without a copy where the browser can; not every one can with the body of an answer. */
function intoBuffers(body: ReadableStream<Uint8Array>): BufferReader {
  try {
    return body.getReader({ mode: "byob" });
  } catch {
    const reader = body.getReader();
    let rest = new Uint8Array(0);
    return {
      async read(into) {
        if (rest.length === 0) {
          const { done, value } = await reader.read();
          if (done) return { done };
          rest = value as Uint8Array<ArrayBuffer>;
        }
        const part = rest.subarray(0, into.length);
        into.set(part);
        rest = rest.subarray(part.length);
        return { done: false, value: into.subarray(0, part.length) };
      },
      cancel: (reason) => reader.cancel(reason),
    };
  }
}

function tooLong(reader: { cancel(reason: unknown): Promise<void> }): AnswerTooLong {
  const reason = new AnswerTooLong();
  // The connection ends, whatever the cancelling comes to.
  reader.cancel(reason).catch(() => {});
  return reason;
}

/** In front of a message: flags, and its length in four bytes. */
const FRAME_HEAD_BYTES = 5;

/** Counts an answer's bytes, those that its frames have announced included. */
class AnswerLimit {
  readonly #limitBytes: number;
  readonly #inFrames: boolean;
  #bytes = 0;
  /** Where the frame that is being read ends: the next one's head begins there. */
  #frameEnd = 0;
  #length = 0;

  constructor(limitBytes: number, inFrames: boolean) {
    this.#limitBytes = limitBytes;
    this.#inFrames = inFrames;
  }

  /** Whether the answer may go on after these bytes. */
  bears(chunk: Uint8Array): boolean {
    const start = this.#bytes;
    this.#bytes += chunk.byteLength;
    if (!this.#inFrames) return this.#bytes <= this.#limitBytes;
    while (this.#frameEnd < this.#bytes && this.#bytes <= this.#limitBytes) {
      if (!this.#readHead(chunk, start)) break;
    }
    return Math.max(this.#bytes, this.#frameEnd) <= this.#limitBytes;
  }

  /** Reads on in the head at #frameEnd, which may be cut anywhere; returns whether it is whole. */
  #readHead(chunk: Uint8Array, start: number): boolean {
    const end = this.#frameEnd + FRAME_HEAD_BYTES;
    // The first of its bytes are the flags.
    const from = Math.max(this.#frameEnd + 1, start);
    for (let at = from; at < Math.min(end, this.#bytes); at++) {
      this.#length = this.#length * 256 + chunk[at - start]!;
    }
    if (this.#bytes < end) return false;
    this.#frameEnd = end + this.#length;
    this.#length = 0;
    return true;
  }
}

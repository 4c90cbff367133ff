import type { Clock } from "../base/clock.ts";
import { PeerFailed } from "../base/errors.ts";
import { AnswerBuffers } from "./answer-buffers.ts";
import { checkedBody } from "./checked-answers.ts";
import type { OnBytes } from "./coming.ts";
import { AnswerTooLong } from "./errors.ts";

export type Fetch = (input: RequestInfo | URL, init?: RequestInit) => Promise<Response>;

export interface CappedFetchOptions {
  /** The longest body of an answer. A longer body ends the answer, and so does a frame that announces one. */
  readonly limitBytes: number;
  readonly clock: Clock;
  /** Milliseconds without a byte after which the answer ends. Default 10,000. */
  readonly stallMs?: number | undefined;
  /** Told of the bytes of an answer as they arrive. */
  readonly onBytes?: OnBytes | undefined;
}

const DEFAULT_STALL_MS = 10_000;

/**
 * A fetch for answers from peers, which may send anything: at most `limitBytes` reach the reader, silence ends the
 * answer, redirects fail, and no cookie, login or referrer is sent. connect-web has no limit of its own, and
 * allocates the length that a frame announces before a byte of it has arrived: without this limit, a peer decides how
 * much memory a tab uses. A longer answer fails with AnswerTooLong.
 */
export function cappedFetch(fetch: Fetch, options: CappedFetchOptions): Fetch {
  return async (input, init) => {
    const { response, limit, waiting } = await begin(fetch, options, input, init);
    if (!response.body) return response;
    const { status, headers } = response;
    const url = input instanceof Request ? input.url : String(input);
    const answer = { url, status, contentType: headers.get("content-type"), ...options };
    const body = chunksOf(response.body, limit, waiting);
    return new Response(streamOf(checkedBody(answer, body) ?? body), response);
  };
}

/** An answer whose body has arrived completely. */
export interface WholeAnswer {
  readonly response: Response;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Like cappedFetch, but reads the whole body into one of `buffers`, which the reader may give back afterwards. */
export function cappedWhole(
  fetch: Fetch,
  options: CappedFetchOptions,
  buffers = new AnswerBuffers(),
): (input: RequestInfo | URL, init: RequestInit, onBytes?: OnBytes) => Promise<WholeAnswer> {
  return async (input, init, onBytes) => {
    const { response, limit, waiting } = await begin(fetch, { ...options, onBytes }, input, init);
    // One byte more than the limit shows that an answer is too long.
    const buffer = buffers.take(options.limitBytes + 1);
    const bytes = response.body
      ? await wholeOf(response.body, buffer, limit, waiting)
      : new Uint8Array(buffer, 0, 0);
    return { response, bytes };
  };
}

/** Waits for the peer, and ends its answer after `stallMs` without one. */
type Waiting = <T>(wait: Promise<T>) => Promise<T>;

/** Resolves when the head of the answer has arrived. */
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
  // connect-web would read anything as frames, a proxy's error page too.
  if (response.body && inFrames && response.ok && !isFramed(response.headers.get("content-type"))) {
    response.body.cancel().catch(() => {});
    throw new PeerFailed("unavailable", "answered with something else");
  }
  return { response, limit: new AnswerLimit(options, inFrames), waiting };
}

function isFramed(contentType: string | null): boolean {
  return /^application\/(grpc|connect\+)/.test(contentType ?? "");
}

/** Reads a body within its limit. A reader that stops early cancels it. */
async function* chunksOf(
  body: ReadableStream<Uint8Array>,
  limit: AnswerLimit,
  waiting: Waiting,
): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  let ended = false;
  try {
    for (;;) {
      const { done, value } = await waiting(reader.read());
      ended = done;
      if (done) return;
      if (!limit.bears(value)) throw tooLong(reader);
      yield value;
    }
  } finally {
    if (!ended) reader.cancel().catch(() => {});
  }
}

/** Not every browser has ReadableStream.from. */
function streamOf(chunks: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const iterator = chunks[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await iterator.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await iterator.return?.();
    },
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

/** Reads to the start of the given buffer, and returns that buffer. */
interface BufferReader {
  read(
    into: Uint8Array<ArrayBuffer>,
  ): Promise<{ done: boolean; value?: Uint8Array<ArrayBuffer> | undefined }>;
  cancel(reason: unknown): Promise<void>;
}

/** Reads without a copy where the browser can; not every browser can do that with the body of an answer. */
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
  // The answer is over whether or not the cancelling succeeds.
  reader.cancel(reason).catch(() => {});
  return reason;
}

/** In front of each message: a byte of flags, and the message's length in four bytes. */
const FRAME_HEAD_BYTES = 5;

/** Counts the bytes of an answer, including those that a frame has announced. */
class AnswerLimit {
  readonly #limitBytes: number;
  readonly #onBytes: OnBytes | undefined;
  readonly #inFrames: boolean;
  #bytes = 0;
  /** The end of the current frame, where the next one's head begins. */
  #frameEnd = 0;
  #length = 0;

  constructor({ limitBytes, onBytes }: CappedFetchOptions, inFrames: boolean) {
    this.#limitBytes = limitBytes;
    this.#onBytes = onBytes;
    this.#inFrames = inFrames;
  }

  /** Whether the answer is within its limit after these bytes. */
  bears(chunk: Uint8Array): boolean {
    const start = this.#bytes;
    this.#bytes += chunk.byteLength;
    this.#onBytes?.(chunk.byteLength);
    if (!this.#inFrames) return this.#bytes <= this.#limitBytes;
    while (this.#frameEnd < this.#bytes && this.#bytes <= this.#limitBytes)
      if (!this.#readHead(chunk, start)) break;
    return Math.max(this.#bytes, this.#frameEnd) <= this.#limitBytes;
  }

  /** Reads more of the head at #frameEnd, which chunks may cut anywhere. Returns whether the head is complete. */
  #readHead(chunk: Uint8Array, start: number): boolean {
    const end = this.#frameEnd + FRAME_HEAD_BYTES;
    // The first byte of a head holds the flags.
    const from = Math.max(this.#frameEnd + 1, start);
    for (let at = from; at < Math.min(end, this.#bytes); at++)
      this.#length = this.#length * 256 + chunk[at - start]!;
    if (this.#bytes < end) return false;
    this.#frameEnd = end + this.#length;
    this.#length = 0;
    return true;
  }
}

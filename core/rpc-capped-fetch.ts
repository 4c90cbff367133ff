import type { Clock } from "./clock.ts";
import { PeerFailed } from "./errors.ts";

export type Fetch = (input: RequestInfo | URL, init?: RequestInit) => Promise<Response>;

export interface CappedFetchOptions {
  /** Bytes of an answer's body at most; the next one ends it. */
  readonly limitBytes: number;
  readonly clock: Clock;
  /** Ends an answer of which nothing came for so long. Default 10,000. */
  readonly stallMs?: number | undefined;
}

const DEFAULT_STALL_MS = 10_000;

/**
 * A fetch for answers from peers, which may send anything: no more than `limitBytes` reach whoever reads, silence ends,
 * redirects fail, and no cookie, login or referrer goes out. connect-web has no limit of its own: without this one, a
 * peer decides how much memory a tab uses.
 */
export function cappedFetch(fetch: Fetch, options: CappedFetchOptions): Fetch {
  const stallMs = options.stallMs ?? DEFAULT_STALL_MS;
  return async (input, init) => {
    const silent = new AbortController();
    const waiting = async <T>(wait: Promise<T>): Promise<T> => {
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
    if (!response.body) return response;
    return new Response(capped(response.body, options.limitBytes, waiting), response);
  };
}

function capped(
  body: ReadableStream<Uint8Array>,
  limitBytes: number,
  waiting: <T>(wait: Promise<T>) => Promise<T>,
): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  let bytes = 0;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await waiting(reader.read());
      if (done) return controller.close();
      bytes += value.byteLength;
      if (bytes > limitBytes) {
        const reason = new PeerFailed("internal", "answered with more bytes than it may");
        // The connection ends, whatever the cancelling comes to.
        reader.cancel(reason).catch(() => {});
        throw reason;
      }
      controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  });
}

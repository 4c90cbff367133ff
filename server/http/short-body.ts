import type { HttpRequest } from "./http-types.ts";

/** The beginning of a request's body. */
export interface BodyStart {
  /** All of it, if it is short. */
  readonly whole: Buffer | undefined;
  /** All of it, from its start. */
  readonly again: () => AsyncIterable<Uint8Array>;
}

/** Reads a body to its end if it has at most `maxBytes`, and else no further than it takes to know. Fails as the body does. */
export function readShortBody(request: HttpRequest, maxBytes: number): Promise<BodyStart> {
  // Listeners instead of an iterator, which costs as much as the rest of a small call.
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    let length = 0;
    const settle = () =>
      request.off("data", onData).off("end", onEnd).off("error", onError).off("close", onClose);
    const onData = (chunk: Uint8Array) => {
      chunks.push(chunk);
      length += chunk.byteLength;
      if (length <= maxBytes) return;
      settle();
      request.pause();
      resolve({ whole: undefined, again: () => both(chunks, request) });
    };
    const onEnd = () => {
      settle();
      const whole =
        chunks.length === 1
          ? Buffer.from(chunks[0]!.buffer, chunks[0]!.byteOffset, length)
          : Buffer.concat(chunks);
      resolve({ whole, again: () => both(chunks) });
    };
    const onError = (error: Error) => {
      settle();
      reject(error);
    };
    const onClose = () => onError(new Error("the caller is gone"));
    request.on("data", onData).on("end", onEnd).on("error", onError).on("close", onClose);
  });
}

async function* both(chunks: readonly Uint8Array[], rest?: AsyncIterable<Uint8Array>) {
  yield* chunks;
  if (rest) yield* rest;
}

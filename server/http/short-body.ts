import type { Readable } from "node:stream";

/** The beginning of a request's body. */
export interface BodyStart {
  /** All of it, if it is short. */
  readonly whole: Buffer | undefined;
  /** All of it, from its start; undefined where it can be read once more from where it came. */
  readonly again: () => AsyncIterable<Uint8Array> | undefined;
}

/** Reads a body to its end if it has at most `maxBytes`, and else no further than it takes to know. Fails as the body does. */
export function readShortBody(body: Readable, maxBytes: number): Promise<BodyStart> {
  // Listeners instead of an iterator, which costs as much as the rest of a small call; nor are they taken off one by one.
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    let length = 0;
    let isKnown = false;
    const onData = (chunk: Uint8Array) => {
      chunks.push(chunk);
      length += chunk.byteLength;
      if (length <= maxBytes) return;
      isKnown = true;
      body.off("data", onData).pause();
      resolve({ whole: undefined, again: () => both(chunks, body) });
    };
    const onEnd = () => {
      isKnown = true;
      const whole =
        chunks.length === 1
          ? Buffer.from(chunks[0]!.buffer, chunks[0]!.byteOffset, length)
          : Buffer.concat(chunks);
      resolve({ whole, again: () => both(chunks) });
    };
    // Every request closes at last, and an error is dear.
    const onClose = () => isKnown || reject(new Error("the caller is gone"));
    body.on("data", onData).on("end", onEnd).on("error", reject).on("close", onClose);
  });
}

async function* both(chunks: readonly Uint8Array[], rest?: AsyncIterable<Uint8Array>) {
  yield* chunks;
  if (rest) yield* rest;
}

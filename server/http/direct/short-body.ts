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
  return new Promise((resolve, reject) => {
    const source: Source = body;
    source[kReading] = { maxBytes, chunks: [], length: 0, resolve, reject };
    body.on("data", onData).on("end", onEnd).on("error", onError).on("close", onClose);
  });
}

const kReading = Symbol("reading");

/** A body, and who reads it. */
interface Source extends Readable {
  [kReading]?: Reading | undefined;
}

interface Reading {
  readonly maxBytes: number;
  readonly chunks: Uint8Array[];
  length: number;
  readonly resolve: (start: BodyStart) => void;
  readonly reject: (error: unknown) => void;
}

// Listeners instead of an iterator, which costs as much as the rest of a small call; nor are they taken off one by one.
// And functions of no call's own: a stream of Node's outlives its call until V8's next great collection, and its
// listeners with it.

function onData(this: Source, chunk: Uint8Array): void {
  const reading = this[kReading];
  if (!reading) return;
  const { chunks, maxBytes } = reading;
  chunks.push(chunk);
  reading.length += chunk.byteLength;
  if (reading.length <= maxBytes) return;
  this.off("data", onData).pause();
  finish(this)?.resolve({ whole: undefined, again: () => both(chunks, this) });
}

function onEnd(this: Source): void {
  const reading = finish(this);
  if (!reading) return;
  const { chunks, length } = reading;
  const first = chunks[0];
  const whole =
    first && chunks.length === 1
      ? Buffer.from(first.buffer, first.byteOffset, length)
      : Buffer.concat(chunks);
  reading.resolve({ whole, again: () => both(chunks) });
}

function onError(this: Source, error: unknown): void {
  finish(this)?.reject(error);
}

function onClose(this: Source): void {
  // Every request closes at last, and an error is dear.
  if (this[kReading]) finish(this)?.reject(new Error("the caller is gone"));
}

function finish(body: Source): Reading | undefined {
  const reading = body[kReading];
  body[kReading] = undefined;
  return reading;
}

async function* both(chunks: readonly Uint8Array[], rest?: AsyncIterable<Uint8Array>) {
  yield* chunks;
  if (rest) yield* rest;
}

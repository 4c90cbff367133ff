import type { Readable } from "node:stream";

/** What readShortBody has read of a request's body. */
export interface BodyStart {
  /** The whole body, if it is short. */
  readonly whole: Buffer | undefined;
  /** Returns the whole body from its first byte. Undefined where the front end can still hand over a whole body. */
  readonly again: () => AsyncIterable<Uint8Array> | undefined;
}

/** Reads a body of at most `maxBytes` to its end, a longer one only until it is longer. Rejects with its error. */
export function readShortBody(body: Readable, maxBytes: number): Promise<BodyStart> {
  return new Promise((resolve, reject) => {
    const source: Source = body;
    source[kReading] = { maxBytes, chunks: [], length: 0, resolve, reject };
    body.on("data", onData).on("end", onEnd).on("error", onError).on("close", onClose);
  });
}

const kReading = Symbol("reading");

/** A body that carries the state of its reading. */
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

// Listeners, because an async iterator costs as much as the rest of a small call; nor are they removed one by one.
// Keep them module-level functions, shared by all calls: see docs/v8.md.

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
  // Every request closes in the end, so the Error, which is expensive, is made only if the body is still being read.
  if (this[kReading]) finish(this)?.reject(new Error("the caller has gone"));
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

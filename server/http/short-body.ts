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
  return new Promise((resolve, reject) => void new Reading(body, maxBytes, { resolve, reject }));
}

interface Reader {
  readonly resolve: (start: BodyStart) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Listeners instead of an iterator, which costs as much as the rest of a small call; nor are they taken off one by one.
 * But once all is known they hold on to nothing: a stream of Node's may outlive its call until V8's next great collection.
 */
class Reading {
  readonly #body: Readable;
  readonly #maxBytes: number;
  readonly #onData = (chunk: Uint8Array) => this.#add(chunk);
  #reader: Reader | undefined;
  #chunks: Uint8Array[] = [];
  #length = 0;

  constructor(body: Readable, maxBytes: number, reader: Reader) {
    this.#body = body;
    this.#maxBytes = maxBytes;
    this.#reader = reader;
    body
      .on("data", this.#onData)
      .on("end", () => this.#end())
      .on("error", (error) => this.#fail(error))
      // Every request closes at last, and an error is dear.
      .on("close", () => this.#reader && this.#fail(new Error("the caller is gone")));
  }

  #add(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#length += chunk.byteLength;
    if (this.#length <= this.#maxBytes) return;
    const [body, chunks] = [this.#body, this.#chunks];
    body.off("data", this.#onData).pause();
    this.#tell({ whole: undefined, again: () => both(chunks, body) });
  }

  #end(): void {
    const [chunks, length] = [this.#chunks, this.#length];
    const first = chunks[0];
    const whole =
      first && chunks.length === 1
        ? Buffer.from(first.buffer, first.byteOffset, length)
        : Buffer.concat(chunks);
    this.#tell({ whole, again: () => both(chunks) });
  }

  #tell(start: BodyStart): void {
    this.#forget()?.resolve(start);
  }

  #fail(error: unknown): void {
    this.#forget()?.reject(error);
  }

  #forget(): Reader | undefined {
    const reader = this.#reader;
    this.#reader = undefined;
    this.#chunks = [];
    return reader;
  }
}

async function* both(chunks: readonly Uint8Array[], rest?: AsyncIterable<Uint8Array>) {
  yield* chunks;
  if (rest) yield* rest;
}

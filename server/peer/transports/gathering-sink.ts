import type { PieceSink } from "#core/ports/peer.ts";

/**
 * Gathers small writes into large ones: HTTP/2 data arrives in frames of 16 KiB, and hashing and writing each frame
 * by itself costs more than copying it once.
 */
export class GatheringSink implements PieceSink {
  readonly #sink: PieceSink;
  readonly #buffer: Uint8Array;
  #length = 0;

  /** The sink uses `buffer` until the promise of its last write has resolved. */
  constructor(sink: PieceSink, buffer: Uint8Array) {
    this.#sink = sink;
    this.#buffer = buffer;
  }

  write(bytes: Uint8Array): void | Promise<void> {
    if (this.#length + bytes.length > this.#buffer.length) {
      const waiting = this.flush();
      if (waiting) return waiting.then(() => this.write(bytes));
    }
    if (bytes.length > this.#buffer.length) return this.#sink.write(bytes);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** Writes the bytes gathered so far. */
  flush(): void | Promise<void> {
    if (this.#length === 0) return;
    const bytes = this.#buffer.subarray(0, this.#length);
    this.#length = 0;
    return this.#sink.write(bytes);
  }
}

import type { PieceSink } from "#core/ports/peer.ts";

/**
 * Hands small reads on in large ones: HTTP/2 comes in frames of 16 KiB, and to hash and to write each by itself costs
 * more than to copy it once.
 */
export class GatheringSink implements PieceSink {
  readonly #sink: PieceSink;
  readonly #buffer: Uint8Array;
  #length = 0;

  /** `buffer` is the sink's until the last write has ended. */
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

  /** Hands on what is left. */
  flush(): void | Promise<void> {
    if (this.#length === 0) return;
    const bytes = this.#buffer.subarray(0, this.#length);
    this.#length = 0;
    return this.#sink.write(bytes);
  }
}

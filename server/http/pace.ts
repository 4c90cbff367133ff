import type { Limits } from "./limits.ts";

/**
 * Ends a call whose other side sends or reads slower than anybody honest does: each body may take limits.bodyGraceMs
 * and as long as its bytes need at limits.minBytesPerSecond. A trickle passes every idle timer; it does not pass this.
 */
export class Pace {
  readonly #limits: Limits;
  readonly #kill: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(limits: Limits, kill: () => void) {
    this.#limits = limits;
    this.#kill = kill;
  }

  /** The request's body, watched until its end. */
  async *reading(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    const startedAt = performance.now();
    let bytes = 0;
    const check = () => {
      const leftMs = this.#allowedMs(bytes) - (performance.now() - startedAt);
      if (leftMs <= 0) this.#kill();
      else timer = setTimeout(check, leftMs);
    };
    let timer = setTimeout(check, this.#allowedMs(0));
    try {
      for await (const chunk of body) {
        bytes += chunk.byteLength;
        yield chunk;
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** The answer's body, watched from each chunk to the request for the next one, and from the last to stop(). */
  async *writing(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    for await (const chunk of body) {
      this.stop();
      this.#timer = setTimeout(this.#kill, this.#allowedMs(chunk.byteLength));
      yield chunk;
    }
  }

  /** The answer has left, or nobody waits for it any more. */
  stop(): void {
    clearTimeout(this.#timer);
  }

  #allowedMs(bytes: number): number {
    return this.#limits.bodyGraceMs + (bytes / this.#limits.minBytesPerSecond) * 1000;
  }
}

import type { Limits } from "./limits.ts";

const MAX_DROPPED_BYTES = 16 << 20;

/**
 * Ends a call whose other side sends or reads slower than anybody honest does: each body may take limits.bodyGraceMs
 * and as long as its bytes need at limits.minBytesPerSecond. A trickle passes every idle timer; it does not pass this.
 */
export class Pace {
  readonly #limits: Limits;
  readonly #kill: () => void;
  #received = 0;
  #body: AsyncIterator<Uint8Array> | undefined;
  #readTimer: NodeJS.Timeout | undefined;
  #writeTimer: NodeJS.Timeout | undefined;
  #giveBack = () => {};
  #closed = false;

  constructor(limits: Limits, kill: () => void) {
    this.#limits = limits;
    this.#kill = kill;
  }

  /** The request's body is read by others, and is short: so long until stopReading() or reading(). */
  awaitShort(): void {
    this.#readTimer = setTimeout(this.#kill, this.#limits.bodyGraceMs);
  }

  /**
   * The request's body, held to its pace from now until it has ended or stopReading() is called. Who stops listening
   * early stays under the clock: the caller may go on sending after it has its answer.
   */
  reading(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    this.stopReading();
    const startedAt = performance.now();
    const check = () => {
      const leftMs = this.#allowedMs(this.#received) - (performance.now() - startedAt);
      if (leftMs <= 0) this.#kill();
      else this.#readTimer = setTimeout(check, leftMs);
    };
    check();
    const iterator = body[Symbol.asyncIterator]();
    this.#body = iterator;
    // Nothing is closed by whoever stops early: the rest is for dropRest().
    return { [Symbol.asyncIterator]: () => ({ next: () => this.#next(iterator) }) };
  }

  /**
   * Reads what nobody wanted of the request's body to nowhere, so that its connection can be used again and its caller
   * reads our answer; more than the largest message is too much of that, and ends the call. Call it once the answer is
   * known. Never fails.
   */
  async dropRest(): Promise<void> {
    const enough = this.#received + MAX_DROPPED_BYTES;
    try {
      while (this.#body && this.#received <= enough) await this.#next(this.#body);
      if (this.#body) this.#kill();
    } catch {
      // The caller is gone.
    }
  }

  /**
   * The answer's body, held to its pace from each chunk to the request for the next, and from the last to stopWriting().
   * So long it has taken the room that `take` gives or refuses.
   */
  async *writing(
    body: AsyncIterable<Uint8Array>,
    take: (bytes: number) => () => void,
  ): AsyncIterable<Uint8Array> {
    for await (const chunk of body) {
      this.#stopWriting();
      if (this.#closed) return;
      this.#giveBack = take(chunk.byteLength);
      this.#writeTimer = setTimeout(this.#kill, this.#allowedMs(chunk.byteLength));
      yield chunk;
    }
  }

  /**
   * An answer of so many bytes was handed to the system in one go: held to its pace from now to stopWriting(), which
   * calls `giveBack`.
   */
  sending(bytes: number, giveBack: () => void = () => {}): void {
    this.#giveBack = giveBack;
    this.#writeTimer = setTimeout(this.#kill, this.#allowedMs(bytes));
  }

  stopReading(): void {
    clearTimeout(this.#readTimer);
  }

  /** The response has left, or its caller is gone. */
  stopWriting(): void {
    this.#closed = true;
    this.#stopWriting();
  }

  #stopWriting(): void {
    clearTimeout(this.#writeTimer);
    this.#giveBack();
    this.#giveBack = () => {};
  }

  async #next(body: AsyncIterator<Uint8Array>): Promise<IteratorResult<Uint8Array>> {
    const next = await body.next();
    if (next.done) {
      this.#body = undefined;
      this.stopReading();
    } else {
      this.#received += next.value.byteLength;
    }
    return next;
  }

  #allowedMs(bytes: number): number {
    return this.#limits.bodyGraceMs + (bytes / this.#limits.minBytesPerSecond) * 1000;
  }
}

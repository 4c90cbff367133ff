/** Bytes of free buffers that are kept for later answers. An idle client holds on to this much memory. */
const MAX_FREE_BYTES = 8 << 20;

/** Buffers for answers, used again: a fresh one for every piece costs like copying it, and makes much garbage. */
export class AnswerBuffers {
  /** The buffer returned last is taken first; the oldest are dropped first. */
  readonly #free: ArrayBuffer[] = [];
  #freeBytes = 0;

  /** A buffer of exactly `lengthBytes` bytes with arbitrary content. */
  take(lengthBytes: number): ArrayBuffer {
    const at = this.#free.findLastIndex(({ byteLength }) => byteLength === lengthBytes);
    if (at < 0) return new ArrayBuffer(lengthBytes);
    this.#freeBytes -= lengthBytes;
    return this.#free.splice(at, 1)[0]!;
  }

  /** Returns a buffer, once, that nothing reads or writes any more. */
  give(buffer: ArrayBuffer): void {
    if (buffer.byteLength > MAX_FREE_BYTES) return;
    this.#free.push(buffer);
    this.#freeBytes += buffer.byteLength;
    while (this.#freeBytes > MAX_FREE_BYTES) this.#freeBytes -= this.#free.shift()!.byteLength;
  }
}

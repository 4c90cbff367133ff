/** Bytes of buffers that are kept for the next answer: what an idle client holds on to. */
const MAX_FREE_BYTES = 8 << 20;

/**
 * Memory that answers are read into, used again: taking fresh memory for every piece costs about as much as copying the
 * piece, and leaves many pieces' worth of it to the garbage collector.
 */
export class AnswerBuffers {
  /** The last given back is the first out: the others are those to be dropped. */
  readonly #free: ArrayBuffer[] = [];
  #freeBytes = 0;

  /** A buffer of exactly so many bytes. What is in it is of no meaning. */
  take(lengthBytes: number): ArrayBuffer {
    const at = this.#free.findLastIndex(({ byteLength }) => byteLength === lengthBytes);
    if (at < 0) return new ArrayBuffer(lengthBytes);
    this.#freeBytes -= lengthBytes;
    return this.#free.splice(at, 1)[0]!;
  }

  /** Gives one back, once: nobody reads or writes it any more. */
  give(buffer: ArrayBuffer): void {
    if (buffer.byteLength > MAX_FREE_BYTES) return;
    this.#free.push(buffer);
    this.#freeBytes += buffer.byteLength;
    while (this.#freeBytes > MAX_FREE_BYTES) this.#freeBytes -= this.#free.shift()!.byteLength;
  }
}

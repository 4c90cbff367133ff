/** Least size of a buffer. */
const MIN_BYTES = 64 << 10;

/**
 * Reusable buffers for pieces: with a fresh buffer for each piece the garbage collector costs more than reading the
 * piece. The pool keeps at most `maxIdleBytes` of idle buffers and does not bound the buffers in use.
 */
export class BufferPool {
  readonly #maxIdleBytes: number;
  /** Idle buffers by their size, a power of two. */
  readonly #idle = new Map<number, Uint8Array[]>();
  #idleBytes = 0;

  constructor(maxIdleBytes: number) {
    this.#maxIdleBytes = maxIdleBytes;
  }

  get idleBytes(): number {
    return this.#idleBytes;
  }

  /** Takes a buffer of at least `length` bytes with undefined content. Give it back once, or never. */
  take(length: number): Uint8Array {
    const size = sizeFor(length);
    const buffer = this.#idle.get(size)?.pop();
    if (!buffer) return Buffer.allocUnsafeSlow(size);
    this.#idleBytes -= size;
    return buffer;
  }

  /** Gives back a buffer that is not used any more. */
  give(buffer: Uint8Array): void {
    const size = buffer.length;
    if (this.#idleBytes + size > this.#maxIdleBytes) return;
    const list = this.#idle.get(size) ?? [];
    this.#idle.set(size, list);
    list.push(buffer);
    this.#idleBytes += size;
  }
}

function sizeFor(length: number): number {
  return Math.max(MIN_BYTES, 2 ** Math.ceil(Math.log2(Math.max(1, length))));
}

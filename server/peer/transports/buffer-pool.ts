/** Smallest buffer that is worth keeping. */
const MIN_BYTES = 64 << 10;

/**
 * Buffers for pieces on their way out, used again and again: a fresh one a piece costs the collector more than reading
 * the piece does. Keeps at most `maxIdleBytes` that nobody uses; how many are in use is for the upload budget to bound.
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

  /** A buffer of at least `length` bytes with anything in it. Give it back exactly once, or never. */
  take(length: number): Uint8Array {
    const size = sizeFor(length);
    const buffer = this.#idle.get(size)?.pop();
    if (!buffer) return Buffer.allocUnsafeSlow(size);
    this.#idleBytes -= size;
    return buffer;
  }

  /** Nobody uses the buffer any more. */
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

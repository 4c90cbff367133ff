/** Bytes of encoded answers that are kept, over all tables. */
const MAX_BYTES = 32 << 20;

/**
 * Encoded answers, by the table that they are made from: most answers between two changes of a swarm are the same.
 * The oldest tables are dropped first. A swarm that changes has a new table soon, and any other is encoded once more.
 */
export class AnswerCache {
  readonly #maxBytes: number;
  /** Oldest first. */
  readonly #tables = new Map<object, { readonly answers: Map<string, Uint8Array>; bytes: number }>();
  #bytes = 0;

  constructor(maxBytes: number = MAX_BYTES) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The answer of this kind for a table, from `make` if it is not cached. The caller must not change it. */
  get(table: object, kind: string, make: () => Uint8Array): Uint8Array {
    const kept = this.#tables.get(table) ?? { answers: new Map<string, Uint8Array>(), bytes: 0 };
    const known = kept.answers.get(kind);
    if (known) return known;
    const answer = make();
    this.#tables.set(table, kept);
    kept.answers.set(kind, answer);
    kept.bytes += answer.byteLength;
    this.#bytes += answer.byteLength;
    for (const [oldest, { bytes }] of this.#tables) {
      if (this.#bytes <= this.#maxBytes) break;
      this.#tables.delete(oldest);
      this.#bytes -= bytes;
    }
    return answer;
  }
}

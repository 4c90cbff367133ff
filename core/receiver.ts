import { PiezaError, WrongPiece } from "./errors.ts";
import type { Hasher, HashState } from "./hash.ts";
import type { PieceSink } from "./peer.ts";
import { MAX_PIECE_LENGTH, type PieceIndex, pieceNumber } from "./piece.ts";
import type { PieceStore } from "./store.ts";

export interface ReceiverOptions {
  readonly index: PieceIndex;
  /** 64 lowercase hex digits. */
  readonly hash: string;
  readonly store: PieceStore;
  readonly hasher: Hasher;
  /**
   * Write bytes to their place as they come, before the hash is known. At most one receiver of a piece may do so: a
   * second one's bytes could land on top of a piece that has just been verified. Others keep the piece in memory.
   */
  readonly direct: boolean;
  /** False for a torrent without lengths, where a piece may prove that the torrent contradicts itself. */
  readonly lengthKnown: boolean;
}

/** Takes one piece from one peer, and lets it into the store only if it is the piece. */
export class PieceReceiver implements PieceSink {
  /** Bytes taken so far. */
  received = 0;
  readonly #options: ReceiverOptions;
  readonly #expected: number;
  readonly #hash: HashState;
  readonly #kept: Uint8Array[] = [];
  #closed = false;

  constructor(options: ReceiverOptions) {
    this.#options = options;
    this.#expected = options.store.geometry.lengthOf(options.index);
    this.#hash = options.hasher.create();
  }

  write(bytes: Uint8Array): void {
    if (this.#closed) return;
    const { index, store, direct, lengthKnown } = this.#options;
    if (this.received + bytes.length > (lengthKnown ? this.#expected : MAX_PIECE_LENGTH)) {
      throw new WrongPiece(`piece ${pieceNumber(index)} is longer than its ${this.#expected} bytes`);
    }
    const offset = this.received;
    this.received += bytes.length;
    if (direct && lengthKnown) {
      this.#hash.update(bytes);
      store.write(index, offset, bytes);
    } else {
      // Not `slice`: a Node Buffer gives a view of itself there, and the caller uses it again.
      const copy = new Uint8Array(bytes);
      this.#hash.update(copy);
      this.#kept.push(copy);
    }
  }

  /** Whatever still comes is dropped, and nothing more is written. */
  close(): void {
    this.#closed = true;
    this.#kept.length = 0;
  }

  /**
   * Everything has come. Throws WrongPiece if it is not the piece; else, if `claim()` says that nobody else was first,
   * stores and commits it. Returns whether it did.
   */
  async finish(claim: () => boolean): Promise<boolean> {
    const { index, hash, store } = this.#options;
    if (this.#closed) return false;
    const digest = await this.#hash.digest();
    if (this.#closed) return false;
    if (digest !== hash) throw new WrongPiece(this.#whatIsWrong());
    if (this.received !== this.#expected) {
      const problem = `${this.received} bytes with the right hash, where the other pieces say ${this.#expected}`;
      throw new PiezaError("invalid_argument", `pieces[${index}]: ${problem}`);
    }
    if (!claim()) return false;
    let offset = 0;
    for (const bytes of this.#kept) {
      store.write(index, offset, bytes);
      offset += bytes.length;
    }
    this.#closed = true;
    this.#kept.length = 0;
    await store.commit(index);
    return true;
  }

  #whatIsWrong(): string {
    const number = pieceNumber(this.#options.index);
    return this.received < this.#expected
      ? `piece ${number} ended after ${this.received} of ${this.#expected} bytes`
      : `piece ${number} has the wrong hash`;
  }
}

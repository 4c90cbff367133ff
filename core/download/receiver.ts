import type { Clock } from "../base/clock.ts";
import { PiezaError, WrongPiece } from "../base/errors.ts";
import type { Hasher, HashState } from "../base/hash.ts";
import type { PeerTiming, PieceSink } from "../ports/peer.ts";
import type { PieceStore } from "../ports/store.ts";
import { MAX_PIECE_LENGTH, type PieceIndex, pieceNumber } from "../torrent/piece.ts";

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
  readonly clock: Clock;
}

/** Takes one piece from one peer, and lets it into the store only if it is the piece. */
export class PieceReceiver implements PieceSink {
  /** Bytes taken so far. */
  received = 0;
  /** When the first of them came, by the clock. */
  firstByteAtMs: number | undefined;
  /** What hashing and storing took so far. */
  hashMs = 0;
  diskMs = 0;
  /** What the peer says that it took there. */
  peerTiming: PeerTiming | undefined;
  readonly #options: ReceiverOptions;
  readonly #expected: number;
  readonly #hash: HashState;
  readonly #kept: Uint8Array[] = [];
  #closed = false;

  constructor(options: ReceiverOptions) {
    this.#options = options;
    this.#expected = options.store.geometry.lengthOf(options.index);
    this.#hash = options.hasher.create(options.lengthKnown ? this.#expected : undefined);
  }

  write(bytes: Uint8Array): void {
    if (this.#closed) return;
    const { index, store, direct, lengthKnown, clock } = this.#options;
    if (this.received + bytes.length > (lengthKnown ? this.#expected : MAX_PIECE_LENGTH)) {
      throw new WrongPiece(`piece ${pieceNumber(index)} is longer than its ${this.#expected} bytes`);
    }
    const offset = this.received;
    this.received += bytes.length;
    const startedMs = clock.now();
    this.firstByteAtMs ??= startedMs;
    if (direct && lengthKnown) {
      this.#hash.update(bytes);
      const hashedMs = clock.now();
      store.write(index, offset, bytes);
      this.hashMs += hashedMs - startedMs;
      this.diskMs += clock.now() - hashedMs;
    } else {
      // Not `slice`: a Node Buffer gives a view of itself there, and the caller uses it again.
      const copy = new Uint8Array(bytes);
      this.#hash.update(copy);
      this.hashMs += clock.now() - startedMs;
      this.#kept.push(copy);
    }
  }

  timed(timing: PeerTiming): void {
    this.peerTiming = timing;
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
    const { index, hash, store, clock } = this.#options;
    if (this.#closed) return false;
    const startedMs = clock.now();
    const digest = await this.#hash.digest();
    this.hashMs += clock.now() - startedMs;
    if (this.#closed) return false;
    if (digest !== hash) throw new WrongPiece(this.#whatIsWrong());
    if (this.received !== this.#expected) {
      const problem = `${this.received} bytes with the right hash, where the other pieces say ${this.#expected}`;
      throw new PiezaError("invalid_argument", `pieces[${index}]: ${problem}`);
    }
    if (!claim()) return false;
    const hashedMs = clock.now();
    let offset = 0;
    for (const bytes of this.#kept) {
      store.write(index, offset, bytes);
      offset += bytes.length;
    }
    this.#closed = true;
    this.#kept.length = 0;
    await store.commit(index);
    this.diskMs += clock.now() - hashedMs;
    return true;
  }

  #whatIsWrong(): string {
    const number = pieceNumber(this.#options.index);
    return this.received < this.#expected
      ? `piece ${number} ended after ${this.received} of ${this.#expected} bytes`
      : `piece ${number} has the wrong hash`;
  }
}

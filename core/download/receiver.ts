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
   * Writes bytes to their place as they arrive, before the hash is known. Only one receiver of a piece may do that: a
   * second one's bytes could overwrite a piece that has just been verified. Others keep the piece in memory.
   */
  readonly direct: boolean;
  /** False for a legacy torrent, where a piece may prove that the torrent contradicts itself. */
  readonly lengthKnown: boolean;
  readonly clock: Clock;
}

/** Receives one piece from one peer, and stores it only if it is the piece. */
export class PieceReceiver implements PieceSink {
  /** Bytes received so far. */
  received = 0;
  /** When the first byte arrived, by the clock. */
  firstByteAtMs: number | undefined;
  /** Milliseconds spent on hashing and storing so far. */
  hashMs = 0;
  diskMs = 0;
  /** The peer's own times, by its word. */
  peerTiming: PeerTiming | undefined;
  readonly #options: ReceiverOptions;
  readonly #expected: number;
  readonly #hash: HashState;
  readonly #kept: Uint8Array[] = [];
  /** Told before they are written. */
  #comingBytes = 0;
  #closed = false;

  constructor(options: ReceiverOptions) {
    this.#options = options;
    this.#expected = options.store.geometry.lengthOf(options.index);
    this.#hash = options.hasher.create(options.lengthKnown ? this.#expected : undefined);
  }

  /** Bytes that have arrived so far, whether or not the peer's client has put them together and written them. */
  get arrivedBytes(): number {
    return Math.max(this.received, this.#comingBytes);
  }

  coming(bytes: number): void {
    this.#comingBytes += bytes;
  }

  write(bytes: Uint8Array): void {
    if (this.#closed) return;
    const { index, store, direct, lengthKnown, clock } = this.#options;
    if (this.received + bytes.length > (lengthKnown ? this.#expected : MAX_PIECE_LENGTH))
      throw new WrongPiece(`piece ${pieceNumber(index)} is longer than its ${this.#expected} bytes`);
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
      // Not `slice`: for a Node Buffer that is a view, and the caller reuses the buffer.
      const copy = new Uint8Array(bytes);
      this.#hash.update(copy);
      this.hashMs += clock.now() - startedMs;
      this.#kept.push(copy);
    }
  }

  timed(timing: PeerTiming): void {
    this.peerTiming = timing;
  }

  /** Drops all later bytes; nothing more is written. */
  close(): void {
    this.#closed = true;
    this.#kept.length = 0;
  }

  /**
   * Called when everything has arrived. Throws WrongPiece if it is not the piece. Otherwise stores and commits it, if
   * `claim()` says that no other receiver was first. Returns whether it did.
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
    this.close();
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

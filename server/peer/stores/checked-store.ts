import type { Bitfield } from "#core/base/bitfield.ts";
import { PiezaError, StoreFailed } from "#core/base/errors.ts";
import { checkHeld } from "#core/ports/store.ts";
import type { PieceGeometry, PieceIndex } from "#core/torrent/piece.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { nodeHasher } from "../../base/node-hasher.ts";
import { codeOf } from "./disk.ts";
import { VerifiedPieces } from "./fingerprint.ts";
import type { ServedStore } from "./served-torrents.ts";

/** A store some of whose pieces lie where a person may change them; without `mayChange`, none do. */
export type ChangingStore = ServedStore & { mayChange?(index: PieceIndex): boolean };

/**
 * Serves the pieces of a download. Files that have their final names may change: their pieces are checked before they
 * are sent, and a wrong one is withdrawn for good. The download's own store still holds it, because the file that its
 * owner has changed stays as it is.
 */
export class CheckedStore implements ServedStore {
  readonly geometry: PieceGeometry;
  readonly held: Bitfield;
  readonly #store: ChangingStore;
  readonly #verified: VerifiedPieces;
  readonly #onWithdrawn: (index: PieceIndex) => void;

  constructor(torrent: Torrent, store: ChangingStore, onWithdrawn: (index: PieceIndex) => void) {
    this.geometry = store.geometry;
    this.held = store.held.clone();
    this.#store = store;
    this.#verified = new VerifiedPieces(nodeHasher, torrent.pieces);
    this.#onWithdrawn = onWithdrawn;
  }

  async read(index: PieceIndex, into?: Uint8Array): Promise<Uint8Array> {
    checkHeld(this.held, index);
    const bytes = await this.#store.read(index, into).catch((error: unknown) => {
      if (error instanceof StoreFailed && this.#mayChange(index) && !hasTooManyFiles(error))
        throw this.#withdraw(index, error);
      throw error;
    });
    // Asked after the read: the file may have got its name meanwhile.
    if (!this.#mayChange(index) || (await this.#verified.isRight(index, bytes))) return bytes;
    throw this.#withdraw(index);
  }

  #mayChange(index: PieceIndex): boolean {
    return this.#store.mayChange?.(index) ?? false;
  }

  #withdraw(index: PieceIndex, cause?: unknown): PiezaError {
    if (this.held.clear(index)) this.#onWithdrawn(index);
    return new PiezaError("data_loss", `this peer's copy of piece ${index + 1} has changed`, { cause });
  }
}

function hasTooManyFiles({ cause }: StoreFailed): boolean {
  return ["EMFILE", "ENFILE"].includes(codeOf(cause));
}

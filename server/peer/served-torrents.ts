import { PiezaError } from "#core/errors.ts";
import { parseInfoHash } from "#core/info-hash.ts";
import type { PieceIndex } from "#core/piece.ts";
import type { PieceStore } from "#core/store.ts";
import type { Torrent } from "#core/torrent.ts";

/** What a peer needs of a store to serve from it. */
export type ServedStore = Pick<PieceStore, "geometry" | "held" | "read"> & {
  /**
   * Hashes a held piece again and says whether it is right; if not, it is not held any more. Stores without it hash
   * what they serve by other means.
   */
  check?(index: PieceIndex): Promise<boolean>;
};

/** How often a piece was given out, and how many bytes that was. */
export interface PieceCounts {
  requests: number;
  bytes: number;
}

/** A torrent that this peer takes part in. */
export interface ServedTorrent {
  readonly torrent: Torrent;
  readonly store: ServedStore;
  /** By piece index; pieces that nobody asked for are left out. */
  readonly counts: Map<number, PieceCounts>;
}

/** The torrents that a peer serves, by info hash. */
export class ServedTorrents {
  readonly #byInfoHash = new Map<string, ServedTorrent>();

  /** Takes the place of one with the same info hash; what was counted stays. */
  add(torrent: Torrent, store: ServedStore): void {
    const counts = this.#byInfoHash.get(torrent.infoHash)?.counts ?? new Map<number, PieceCounts>();
    this.#byInfoHash.set(torrent.infoHash, { torrent, store, counts });
  }

  remove(infoHash: string): void {
    this.#byInfoHash.delete(infoHash);
  }

  get(infoHash: string): ServedTorrent | undefined {
    return this.#byInfoHash.get(infoHash);
  }

  /** From a request. Throws InvalidField for what is no info hash, PiezaError("not_found") for one not served. */
  find(infoHash: string): ServedTorrent {
    const served = this.#byInfoHash.get(parseInfoHash(infoHash));
    if (!served) throw new PiezaError("not_found", "this peer does not take part in that torrent");
    return served;
  }

  [Symbol.iterator](): Iterator<ServedTorrent> {
    return this.#byInfoHash.values();
  }
}

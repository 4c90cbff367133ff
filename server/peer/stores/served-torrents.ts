import { PiezaError } from "#core/base/errors.ts";
import type { PieceStore } from "#core/ports/store.ts";
import { parseInfoHash } from "#core/torrent/info-hash.ts";
import type { PieceIndex } from "#core/torrent/piece.ts";
import type { Torrent } from "#core/torrent/torrent.ts";

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

/** What is served for oneself or for publishers, and what is kept as a copy for the swarm. */
export type Part = "own" | "copies";

interface Entry extends ServedTorrent {
  readonly parts: ReadonlyMap<Part, ServedStore>;
}

/** The torrents that a peer serves, by info hash. Of one torrent there may be both parts, in stores of their own. */
export class ServedTorrents {
  readonly #byInfoHash = new Map<string, Entry>();

  /** Takes the place of the same part of the same torrent; what was counted stays. */
  add(torrent: Torrent, store: ServedStore, part: Part = "own"): void {
    const before = this.#byInfoHash.get(torrent.infoHash);
    const parts = new Map(before?.parts).set(part, store);
    this.#put(torrent, parts, before?.counts ?? new Map());
  }

  remove(infoHash: string, part: Part = "own"): void {
    const before = this.#byInfoHash.get(infoHash);
    if (!before) return;
    const parts = new Map(before.parts);
    parts.delete(part);
    if (parts.size > 0) this.#put(before.torrent, parts, before.counts);
    else this.#byInfoHash.delete(infoHash);
  }

  /** Pieces of a part came or went. */
  changed(infoHash: string): void {
    const entry = this.#byInfoHash.get(infoHash);
    if (entry && entry.parts.size > 1) this.#put(entry.torrent, entry.parts, entry.counts);
  }

  get(infoHash: string): ServedTorrent | undefined {
    return this.#byInfoHash.get(infoHash);
  }

  partOf(infoHash: string, part: Part): ServedStore | undefined {
    return this.#byInfoHash.get(infoHash)?.parts.get(part);
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

  #put(torrent: Torrent, parts: ReadonlyMap<Part, ServedStore>, counts: Map<number, PieceCounts>): void {
    const [first, second] = [...parts.values()];
    const store = second ? joinStores(first!, second) : first!;
    this.#byInfoHash.set(torrent.infoHash, { torrent, store, counts, parts });
  }
}

/** Two stores of one torrent as one, as they are now. */
function joinStores(first: ServedStore, second: ServedStore): ServedStore {
  const held = first.held.clone();
  held.setFrom(second.held);
  const holderOf = (index: PieceIndex) => (first.held.has(index) ? first : second);
  return {
    geometry: first.geometry,
    held,
    read: (index, into) => holderOf(index).read(index, into),
    async check(index) {
      let right = true;
      for (const store of [first, second]) {
        if (store.held.has(index) && !((await store.check?.(index)) ?? true)) right = false;
      }
      return right;
    },
  };
}

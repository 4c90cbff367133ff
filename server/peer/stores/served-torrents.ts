import { PiezaError } from "#core/base/errors.ts";
import type { PieceStore } from "#core/ports/store.ts";
import { parseInfoHash } from "#core/torrent/info-hash.ts";
import type { PieceIndex } from "#core/torrent/piece.ts";
import type { Torrent } from "#core/torrent/torrent.ts";

/** The part of a store that a peer serves from. */
export type ServedStore = Pick<PieceStore, "geometry" | "held" | "read"> & {
  /** Hashes a held piece again; a wrong one is no longer held. Without `check`, `read` checks every piece whose bytes may change. */
  check?(index: PieceIndex): Promise<boolean>;
};

/** Requests for a piece and the bytes sent for them. */
export interface PieceCounts {
  requests: number;
  bytes: number;
}

/** A torrent that this peer serves. */
export interface ServedTorrent {
  readonly torrent: Torrent;
  readonly store: ServedStore;
  /** By piece index. Pieces without requests are left out. */
  readonly counts: Map<number, PieceCounts>;
}

/**
 * "own": served for the operator or for publishers. "copies": kept for the swarm on a tracker's orders. "cached":
 * fetched for readers of content URLs.
 */
export type Part = "own" | "copies" | "cached";

interface Entry extends ServedTorrent {
  readonly parts: ReadonlyMap<Part, ServedStore>;
}

/** The torrents that a peer serves, by info hash. All parts of one torrent may be served, from separate stores. */
export class ServedTorrents {
  readonly #byInfoHash = new Map<string, Entry>();

  /** Replaces the same part of the same torrent; the counts stay. */
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

  /** Call when the pieces that a part holds have changed. */
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

  /**
   * For the info hash of a request. Throws InvalidField if it is malformed, PiezaError("not_found") if not served.
   */
  find(infoHash: string): ServedTorrent {
    const served = this.#byInfoHash.get(parseInfoHash(infoHash));
    if (!served) throw new PiezaError("not_found", "this peer does not take part in that torrent");
    return served;
  }

  [Symbol.iterator](): Iterator<ServedTorrent> {
    return this.#byInfoHash.values();
  }

  #put(torrent: Torrent, parts: ReadonlyMap<Part, ServedStore>, counts: Map<number, PieceCounts>): void {
    const store = [...parts.values()].reduce(joinStores);
    this.#byInfoHash.set(torrent.infoHash, { torrent, store, counts, parts });
  }
}

/** Serves two stores of one torrent as one, with the pieces that they hold now. */
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

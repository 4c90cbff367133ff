import type { Bitfield } from "#core/base/bitfield.ts";
import {
  addWords,
  bitfieldOf,
  emptyWords,
  type PieceWords,
  removeWords,
  wordsOf,
  wordsOfRanges,
} from "#core/replication/words.ts";
import type { PieceGeometry } from "#core/torrent/piece.ts";
import type { KeptOrder } from "./volunteer-orders.ts";

/** What this peer knows of the torrents of its orders. */
export interface OrderedTorrents {
  /** Undefined if the torrent is not stored. */
  geometryOf(infoHash: string): PieceGeometry | undefined;
  /** The pieces that this peer holds, copied or not. */
  heldOf(infoHash: string): readonly Bitfield[];
}

/** The pieces of one torrent that are held, and those that accepted orders still have to bring. */
interface Pieces {
  readonly total: number;
  readonly held: PieceWords;
  readonly lacking: PieceWords;
}

/**
 * The pieces that accepted orders name and this peer lacks, at one moment. A tracker may send a thousand orders of one
 * torrent, so an order costs no more for those before it.
 */
export class Promised {
  readonly #torrents: OrderedTorrents;
  readonly #pieces = new Map<string, Pieces>();
  #bytes = 0;

  constructor(torrents: OrderedTorrents, accepted: readonly KeptOrder[]) {
    this.#torrents = torrents;
    for (const order of accepted) this.add(order);
  }

  /** Of all torrents together. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Info hashes of the torrents with accepted orders. */
  infoHashes(): string[] {
    return [...this.#pieces.keys()];
  }

  has(infoHash: string): boolean {
    return this.#pieces.has(infoHash);
  }

  /** Undefined without accepted orders. */
  lacking(infoHash: string): Bitfield | undefined {
    const pieces = this.#pieces.get(infoHash);
    return pieces && bitfieldOf(pieces.lacking, pieces.total);
  }

  /** The bytes that `add` of this order would add. */
  bytesOf(order: KeptOrder): number {
    return this.#bytesOf(order, this.#missing(order));
  }

  add(order: KeptOrder): void {
    const missing = this.#missing(order);
    this.#bytes += this.#bytesOf(order, missing);
    const pieces = this.#piecesOf(order);
    this.#pieces.set(order.infoHash, pieces);
    addWords(pieces.lacking, missing);
  }

  #missing(order: KeptOrder): PieceWords {
    const { held, lacking } = this.#piecesOf(order);
    const words = wordsOfRanges(order.ranges, order.totalPieces);
    removeWords(words, held);
    removeWords(words, lacking);
    return words;
  }

  #bytesOf({ infoHash, totalPieces }: KeptOrder, words: PieceWords): number {
    return this.#torrents.geometryOf(infoHash)?.bytesOf(bitfieldOf(words, totalPieces)) ?? 0;
  }

  #piecesOf({ infoHash, totalPieces: total }: KeptOrder): Pieces {
    const known = this.#pieces.get(infoHash);
    if (known) return known;
    const held = emptyWords(total);
    for (const bitfield of this.#torrents.heldOf(infoHash)) addWords(held, wordsOf(bitfield));
    return { total, held, lacking: emptyWords(total) };
  }
}

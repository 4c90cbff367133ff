import { Bitfield } from "../base/bitfield.ts";

/** Wanted copies of each piece, where there are enough peers. */
const COPIES = 2;

interface Place {
  readonly has: Bitfield;
  readonly inFlight: Set<number>;
  /** The piece to look at first, so that not all peers begin with the same pieces. */
  readonly offset: number;
  /** For each number of copies: the pieces that the search has passed, because they have more. */
  readonly passed: number[];
}

/**
 * Decides which piece goes to which peer of an upload: first one copy of every piece, then a second one elsewhere.
 * Pure: the owner reports events and asks `next`.
 *
 * Invariant: `#copies[i]` counts the peers that have piece i and are not gone, `#coming[i]` those being sent it.
 */
export class UploadPlan {
  readonly #copies: Uint16Array;
  readonly #coming: Uint8Array;
  readonly #places = new Map<number, Place>();
  readonly #peers: number;
  #stored = 0;
  #finished = 0;

  /** For `pieces` pieces and at most `peers` peers. */
  constructor(pieces: number, peers: number) {
    this.#copies = new Uint16Array(pieces);
    this.#coming = new Uint8Array(pieces);
    this.#peers = peers;
  }

  /** Pieces with at least one copy. */
  get stored(): number {
    return this.#stored;
  }

  get everyPieceStored(): boolean {
    return this.#stored === this.#copies.length;
  }

  /** Every piece has all its wanted copies. */
  get finished(): boolean {
    return this.#finished === this.#copies.length;
  }

  /** Peer `slot` (from 0) joins with these pieces. Called once for each slot, and again after onGone. */
  onPeer(slot: number, has: Bitfield): void {
    const offset = Math.floor((slot * this.#copies.length) / this.#peers);
    const place = { has: new Bitfield(has.size), inFlight: new Set<number>(), offset, passed: [] };
    this.#places.set(slot, place);
    for (const index of has) this.#have(place, index);
  }

  /** The piece to send to this peer, marked as coming; undefined if there is none now. */
  next(slot: number): number | undefined {
    const place = this.#places.get(slot);
    if (!place) return undefined;
    for (let copies = 0; copies < COPIES; copies++) {
      const index = this.#find(place, copies);
      if (index === undefined) continue;
      place.inFlight.add(index);
      this.#coming[index]!++;
      return index;
    }
    return undefined;
  }

  onStored(slot: number, index: number): void {
    const place = this.#places.get(slot);
    if (place?.inFlight.delete(index)) this.#coming[index]!--;
    if (place) this.#have(place, index);
  }

  onFailed(slot: number, index: number): void {
    if (!this.#places.get(slot)?.inFlight.delete(index)) return;
    this.#coming[index]!--;
    this.#lookAgain();
  }

  /** The peer's pieces do not count any more. */
  onGone(slot: number): void {
    const place = this.#places.get(slot);
    if (!place) return;
    this.#places.delete(slot);
    for (const index of place.inFlight) this.#coming[index]!--;
    for (const index of place.has) {
      const left = --this.#copies[index]!;
      if (left === 0) this.#stored--;
      if (left === COPIES - 1) this.#finished--;
    }
    this.#lookAgain();
  }

  #have(place: Place, index: number): void {
    if (!place.has.set(index)) return;
    const copies = ++this.#copies[index]!;
    if (copies === 1) this.#stored++;
    if (copies === COPIES) this.#finished++;
  }

  /** The first piece behind the passed ones that has, or will have, at most `copies` copies. */
  #find(place: Place, copies: number): number | undefined {
    const total = this.#copies.length;
    for (let passed = place.passed[copies] ?? 0; passed < total; passed++) {
      place.passed[copies] = passed;
      const index = (place.offset + passed) % total;
      const few = this.#copies[index]! + this.#coming[index]! <= copies;
      if (few && !place.has.has(index) && !place.inFlight.has(index)) return index;
    }
    place.passed[copies] = total;
    return undefined;
  }

  /** Copies were lost, so passed pieces may need one. */
  #lookAgain(): void {
    for (const place of this.#places.values()) place.passed.length = 0;
  }
}

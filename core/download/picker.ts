import type { Bitfield } from "../base/bitfield.ts";
import type { Random } from "../base/clock.ts";
import type { PieceIndex } from "../torrent/piece.ts";

/** A peer as the picker knows it: a number, given by its owner. */
export type PeerId = number;

const HELD = 0;
const IDLE = 1;
const IN_FLIGHT = 2;

/** Rarest pieces looked at before a peer's own list is consulted. */
const MAX_PROBES = 256;
/** Candidates from a peer's own list among which the rarest is taken. */
const OWN_LIST_SAMPLE = 32;
/** Equally rare pieces among which a preferred one is looked for. */
const MAX_PREFERENCE_PROBES = 64;

interface Peer {
  has: Bitfield;
  /**
   * Pieces that it had when last looked at and that may be idle: shuffled, and made when probing fails; where pieces
   * go in order, the last first.
   */
  own: number[] | undefined;
  /** `#returned` when nothing was found for it: until a piece returns, nothing will be. */
  dryAt: number;
}

/**
 * Decides which piece to ask a peer for: rarest first, ties at random.
 *
 * Invariant: every wanted piece is in exactly one of held, idle (then it stands in the bucket of its availability) and in
 * flight (then it has at least one requester). `checkInvariant` asserts it in tests.
 *
 * Pure: told events, asked `pick`; no clock, no promise, no connection. O(1) amortised a pick: idle pieces stand in
 * buckets by availability, so the rarest are found without sorting; a peer that has none of the rarest is served from
 * a list of its own. Complete peers count for every piece alike, so they stand in no bucket: a seeder joins in O(1).
 */
export class PiecePicker {
  readonly #random: Random;
  readonly #sequential: boolean;
  readonly #state: Uint8Array;
  /** Copies at incomplete peers. */
  readonly #copies: Uint32Array;
  readonly #buckets: number[][] = [[]];
  readonly #place: Uint32Array;
  readonly #peers = new Map<PeerId, Peer>();
  readonly #requesters = new Map<number, Set<PeerId>>();
  #seeders = 0;
  #idle = 0;
  #held = 0;
  #lowestIdle = 0;
  /** Counts pieces that came back to idle. */
  #returned = 0;
  #horizon = Number.POSITIVE_INFINITY;

  /** `wanted`: the pieces that are to be picked at all, by default all; others count as held. */
  constructor(
    held: Bitfield,
    options: { random: Random; sequential?: boolean; wanted?: Bitfield | undefined },
  ) {
    this.#random = options.random;
    this.#sequential = options.sequential ?? false;
    this.#state = new Uint8Array(held.size).fill(IDLE);
    this.#copies = new Uint32Array(held.size);
    this.#place = new Uint32Array(held.size);
    for (let index = 0; index < held.size; index++) {
      if (held.has(index) || options.wanted?.has(index) === false) {
        this.#state[index] = HELD;
        this.#held++;
      } else {
        this.#insert(index);
      }
    }
  }

  /** Pieces that nobody was asked for and that are not held. */
  get idle(): number {
    return this.#idle;
  }

  isHeld(index: PieceIndex): boolean {
    return this.#state[index] === HELD;
  }

  get done(): boolean {
    return this.#held === this.#state.length;
  }

  /** From now on these are to be picked, but for those `held`. None that is not wanted may be in flight. O(pieces). */
  want(wanted: Bitfield, held: Bitfield): void {
    for (let index = 0; index < this.#state.length; index++) {
      const over = held.has(index) || !wanted.has(index);
      if (over && this.#state[index] === IDLE) {
        this.#remove(index);
        this.#state[index] = HELD;
        this.#held++;
      } else if (!over && this.#state[index] === HELD) {
        this.#state[index] = IDLE;
        this.#held--;
        this.#insert(index);
      }
    }
    // What nobody wanted was struck off the peers' own lists.
    for (const peer of this.#peers.values()) peer.own = undefined;
    this.#returned++;
  }

  /** In sequence: picks nothing from this index on, until told another. */
  pickBelow(horizon: number): void {
    this.#horizon = horizon;
    // Peers that had nothing below the old one may have now.
    this.#returned++;
  }

  /** Everything below the horizon is held or in flight, and something beyond it is not. */
  get atHorizon(): boolean {
    return this.#horizon < this.#state.length && this.#idle > 0 && this.#nextIdle() >= this.#horizon;
  }

  /** Copies in the swarm as far as told. */
  availability(index: PieceIndex): number {
    return this.#copies[index]! + this.#seeders;
  }

  /** A peer joined, or has another bitfield than before. The picker keeps `has` and does not change it. */
  onBitfield(id: PeerId, has: Bitfield): void {
    const before = this.#peers.get(id)?.has;
    if (before && !before.complete && !has.complete) {
      this.#countEach(before.without(has), -1);
      this.#countEach(has.without(before), +1);
    } else {
      if (before) this.#count(before, -1);
      this.#count(has, +1);
    }
    this.#peers.set(id, { has, own: undefined, dryAt: -1 });
  }

  /** The peer can be asked for nothing more. Its requests must have ended. */
  onPeerGone(id: PeerId): void {
    const peer = this.#peers.get(id);
    if (!peer) return;
    this.#peers.delete(id);
    this.#count(peer.has, -1);
  }

  /** The piece was asked for at this peer. */
  onRequested(id: PeerId, index: PieceIndex): void {
    if (this.#state[index] === IDLE) {
      this.#remove(index);
      this.#state[index] = IN_FLIGHT;
      this.#requesters.set(index, new Set());
    }
    this.#requesters.get(index)?.add(id);
  }

  /** The request at this peer ended without the piece. */
  onFailed(id: PeerId, index: PieceIndex): void {
    const requesters = this.#requesters.get(index);
    if (!requesters?.delete(id) || requesters.size > 0) return;
    this.#requesters.delete(index);
    this.#state[index] = IDLE;
    this.#insert(index);
    this.#returned++;
  }

  /** The piece is verified and stored. */
  onHeld(index: PieceIndex): void {
    if (this.#state[index] === HELD) return;
    if (this.#state[index] === IDLE) this.#remove(index);
    this.#requesters.delete(index);
    this.#state[index] = HELD;
    this.#held++;
  }

  /** How many peers were asked for this piece and have not ended. */
  requesters(index: PieceIndex): number {
    return this.#requesters.get(index)?.size ?? 0;
  }

  /**
   * The idle piece to ask this peer for, or undefined if it has none. Changes nothing: the owner tells `onRequested`.
   * Among equally rare pieces one that satisfies `prefer` comes first.
   */
  pick(id: PeerId, prefer?: (index: PieceIndex) => boolean): PieceIndex | undefined {
    const peer = this.#peers.get(id);
    if (!peer || this.#idle === 0 || peer.dryAt === this.#returned) return undefined;
    const index = this.#sequential ? this.#first(peer) : (this.#rarest(peer, prefer) ?? this.#own(peer));
    if (index === undefined) peer.dryAt = this.#returned;
    return index as PieceIndex | undefined;
  }

  /** Throws if the invariant does not hold. O(pieces): for tests. */
  checkInvariant(): void {
    let idle = 0;
    for (const [index, state] of this.#state.entries()) {
      const inBucket = this.#buckets[this.#copies[index]!]?.[this.#place[index]!] === index;
      if (inBucket !== (state === IDLE))
        throw new Error(`piece ${index}: state ${state}, in bucket ${inBucket}`);
      const requesters = this.#requesters.get(index)?.size ?? 0;
      if (requesters > 0 !== (state === IN_FLIGHT))
        throw new Error(`piece ${index}: ${requesters} requesters`);
      if (state === IDLE) idle++;
    }
    if (idle !== this.#idle || this.#buckets.flat().length !== idle)
      throw new Error("idle pieces miscounted");
  }

  /** The idle piece with the lowest index. A complete peer has it for sure; another is served from its own list. */
  #first(peer: Peer): number | undefined {
    const index = peer.has.complete ? this.#nextIdle() : this.#ownFirst(peer);
    return index !== undefined && index < Math.min(this.#state.length, this.#horizon) ? index : undefined;
  }

  #ownFirst(peer: Peer): number | undefined {
    peer.own ??= [...peer.has].reverse();
    while (this.#state[peer.own.at(-1)!] === HELD) peer.own.pop();
    return peer.own.findLast((index) => this.#state[index] === IDLE);
  }

  #nextIdle(): number {
    while (this.#lowestIdle < this.#state.length && this.#state[this.#lowestIdle] !== IDLE)
      this.#lowestIdle++;
    return this.#lowestIdle;
  }

  #rarest(peer: Peer, prefer?: (index: PieceIndex) => boolean): number | undefined {
    let probes = MAX_PROBES;
    // What an incomplete peer has, has at least one copy: its own.
    for (let copies = peer.has.complete ? 0 : 1; copies < this.#buckets.length; copies++) {
      const bucket = this.#buckets[copies]!;
      const start = Math.floor(this.#random() * bucket.length);
      let found: number | undefined;
      for (let step = 0; step < bucket.length && probes > 0; step++, probes--) {
        const index = bucket[(start + step) % bucket.length]!;
        if (!peer.has.has(index)) continue;
        found ??= index;
        if (!prefer || step >= MAX_PREFERENCE_PROBES) break;
        if (prefer(index as PieceIndex)) return index;
      }
      if (found !== undefined || probes === 0) return found;
    }
    return undefined;
  }

  #own(peer: Peer): number | undefined {
    peer.own ??= this.#shuffledIdle(peer.has);
    const own = peer.own;
    let best: number | undefined;
    let looked = 0;
    for (let at = own.length - 1; at >= 0 && looked < OWN_LIST_SAMPLE; at--) {
      const index = own[at]!;
      if (this.#state[index] === HELD) {
        own[at] = own.at(-1)!;
        own.pop();
      } else if (this.#state[index] === IDLE) {
        looked++;
        if (best === undefined || this.#copies[index]! < this.#copies[best]!) best = index;
      }
    }
    return best;
  }

  #shuffledIdle(has: Bitfield): number[] {
    const list: number[] = [];
    for (const index of has) if (this.#state[index] !== HELD) list.push(index);
    for (let at = list.length - 1; at > 0; at--) {
      const other = Math.floor(this.#random() * (at + 1));
      [list[at], list[other]] = [list[other]!, list[at]!];
    }
    return list;
  }

  #count(has: Bitfield, by: 1 | -1): void {
    if (has.complete) this.#seeders += by;
    else this.#countEach(has, by);
  }

  #countEach(indices: Iterable<number>, by: 1 | -1): void {
    for (const index of indices) {
      const idle = this.#state[index] === IDLE;
      if (idle) this.#remove(index);
      this.#copies[index]! += by;
      if (idle) this.#insert(index);
    }
  }

  #insert(index: number): void {
    const copies = this.#copies[index]!;
    while (this.#buckets.length <= copies) this.#buckets.push([]);
    this.#place[index] = this.#buckets[copies]!.push(index) - 1;
    this.#lowestIdle = Math.min(this.#lowestIdle, index);
    this.#idle++;
  }

  #remove(index: number): void {
    const bucket = this.#buckets[this.#copies[index]!]!;
    const last = bucket.pop()!;
    if (last !== index) {
      bucket[this.#place[index]!] = last;
      this.#place[last] = this.#place[index]!;
    }
    this.#idle--;
  }
}

import type { Bitfield } from "../base/bitfield.ts";
import type { Random } from "../base/clock.ts";
import type { PieceIndex } from "../torrent/piece.ts";

/** A peer's number, given by the picker's owner. */
export type PeerId = number;

const HELD = 0;
const IDLE = 1;
const IN_FLIGHT = 2;
/** Neither held nor to be picked, unless it is focused. */
const UNWANTED = 3;

/** Rarest pieces probed before the picker turns to the peer's own list. */
const MAX_PROBES = 256;
/** Candidates in a peer's own list, of which the rarest is taken. */
const OWN_LIST_SAMPLE = 32;
/** Equally rare pieces among which the picker looks for a preferred one. */
const MAX_PREFERENCE_PROBES = 64;

interface Peer {
  has: Bitfield;
  /** The peer's pieces that may be idle, made when probing fails: shuffled, or descending for picks in order. */
  own: number[] | undefined;
  /** `#returned` at the last failed pick: until a piece returns, every pick fails. */
  dryAt: number;
}

/**
 * Decides which piece to request from a peer: rarest first, ties at random.
 *
 * Invariant: every wanted or focused piece is exactly one of held, idle (then it is in the bucket of its availability)
 * and in flight (then it has at least one requester). `checkInvariant` asserts it in tests.
 *
 * Pure: the owner reports events and calls `pick`; no clock, no promise, no connection. A pick is O(1) amortised:
 * idle pieces are in buckets by availability, so the rarest are found without sorting; a peer without any of them has
 * a list of its own. Complete peers count for every piece alike and are in no bucket: a seeder joins in O(1).
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
  #inFlight = 0;
  #lowestIdle = 0;
  /** Counts the pieces that became idle again. */
  #returned = 0;
  #horizon = Number.POSITIVE_INFINITY;
  /** The pieces to pick, focused or not; undefined: all. */
  #wanted: Bitfield | undefined;
  /** Offered before all others, in this order. */
  #focus: readonly PieceIndex[] = [];
  #focused: ReadonlySet<number> = new Set();

  /** `wanted`: the pieces to pick, by default all. */
  constructor(
    held: Bitfield,
    options: { random: Random; sequential?: boolean; wanted?: Bitfield | undefined },
  ) {
    this.#random = options.random;
    this.#sequential = options.sequential ?? false;
    this.#state = new Uint8Array(held.size).fill(UNWANTED);
    this.#copies = new Uint32Array(held.size);
    this.#place = new Uint32Array(held.size);
    this.want(options.wanted, held);
  }

  /** Pieces that are neither held nor requested. */
  get idle(): number {
    return this.#idle;
  }

  /** No request for this piece is needed: it is held, or neither wanted nor focused. */
  isOver(index: PieceIndex): boolean {
    return this.#isOver(index);
  }

  get done(): boolean {
    return this.#idle + this.#inFlight === 0;
  }

  /**
   * Picks exactly these pieces, and those in focus, from now on, without those `held`. No other piece may be in flight.
   * O(pieces).
   */
  want(wanted: Bitfield | undefined, held: Bitfield): void {
    this.#wanted = wanted;
    for (let index = 0; index < this.#state.length; index++) {
      if (held.has(index)) this.#settle(index, HELD);
      else if (wanted?.has(index) === false && !this.#focused.has(index)) this.#settle(index, UNWANTED);
      else this.#release(index);
    }
    this.#onReleased();
  }

  /**
   * Offers these pieces to pickFocused in this order, wanted or not, in place of the former ones. No former one that
   * is neither wanted nor among these may be in flight. O(pieces in both lists).
   */
  focus(pieces: readonly PieceIndex[]): void {
    const before = this.#focus;
    this.#focus = pieces;
    this.#focused = new Set(pieces);
    for (const index of before) {
      if (this.#wanted?.has(index) === false && !this.#focused.has(index) && this.#state[index] === IDLE)
        this.#settle(index, UNWANTED);
    }
    let released = false;
    for (const index of pieces) {
      if (this.#state[index] !== UNWANTED) continue;
      this.#release(index);
      released = true;
    }
    if (released) this.#onReleased();
  }

  /** A held piece is not held any more. It is picked again if it is wanted or focused. */
  onLost(index: PieceIndex): void {
    if (this.#state[index] !== HELD) return;
    this.#state[index] = UNWANTED;
    if (this.#wanted?.has(index) === false && !this.#focused.has(index)) return;
    this.#release(index);
    this.#onReleased();
  }

  #isOver(index: number | undefined): boolean {
    const state = index === undefined ? undefined : this.#state[index];
    return state === HELD || state === UNWANTED;
  }

  /** Takes an idle piece out of its bucket. A piece in flight stays. */
  #settle(index: number, state: typeof HELD | typeof UNWANTED): void {
    if (this.#state[index] === IN_FLIGHT) return;
    if (this.#state[index] === IDLE) this.#remove(index);
    this.#state[index] = state;
  }

  /** Puts a piece that is over among the idle ones. */
  #release(index: number): void {
    if (this.#state[index] === IDLE || this.#state[index] === IN_FLIGHT) return;
    this.#state[index] = IDLE;
    this.#insert(index);
  }

  /** The peers' own lists lack the pieces that have just become idle. */
  #onReleased(): void {
    for (const peer of this.#peers.values()) peer.own = undefined;
    this.#returned++;
  }

  /** Where pieces go in order: picks no piece from this index on, until called again. */
  pickBelow(horizon: number): void {
    this.#horizon = horizon;
    // Peers without a piece below the old horizon may have one now.
    this.#returned++;
  }

  /** All pieces below the horizon are held or in flight, and some beyond it are not. */
  get atHorizon(): boolean {
    return this.#horizon < this.#state.length && this.#idle > 0 && this.#nextIdle() >= this.#horizon;
  }

  /** Copies in the swarm, as far as reported. */
  availability(index: PieceIndex): number {
    return this.#copies[index]! + this.#seeders;
  }

  /** A peer joined, or its bitfield changed. The picker keeps `has` and does not change it. */
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

  /** Nothing more can be requested from the peer. Its requests must have ended. */
  onPeerGone(id: PeerId): void {
    const peer = this.#peers.get(id);
    if (!peer) return;
    this.#peers.delete(id);
    this.#count(peer.has, -1);
  }

  onRequested(id: PeerId, index: PieceIndex): void {
    if (this.#state[index] === IDLE) {
      this.#remove(index);
      this.#state[index] = IN_FLIGHT;
      this.#inFlight++;
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
    this.#inFlight--;
    this.#insert(index);
    this.#returned++;
  }

  /** The piece is verified and stored. */
  onHeld(index: PieceIndex): void {
    if (this.#state[index] === IDLE) this.#remove(index);
    if (this.#state[index] === IN_FLIGHT) this.#inFlight--;
    this.#requesters.delete(index);
    this.#state[index] = HELD;
  }

  /** Requests for this piece that have not ended. */
  requesters(index: PieceIndex): number {
    return this.#requesters.get(index)?.size ?? 0;
  }

  /** The focused pieces that are not requested yet. */
  get idleFocused(): number {
    return this.#focus.reduce((count, index) => count + (this.#state[index] === IDLE ? 1 : 0), 0);
  }

  get hasFocus(): boolean {
    return this.#focus.length > 0;
  }

  isFocused(index: PieceIndex): boolean {
    return this.#focused.has(index);
  }

  /** The first focused piece that is idle and at this peer. */
  pickFocused(id: PeerId): PieceIndex | undefined {
    const has = this.#peers.get(id)?.has;
    return has && this.#focus.find((index) => this.#state[index] === IDLE && has.has(index));
  }

  /**
   * The idle piece to request from this peer, whatever is focused; undefined if there is none. Of equally rare pieces, one that satisfies
   * `prefer` comes first. Changes nothing: the owner reports the request to `onRequested`.
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
    let inFlight = 0;
    for (const [index, state] of this.#state.entries()) {
      const inBucket = this.#buckets[this.#copies[index]!]?.[this.#place[index]!] === index;
      if (inBucket !== (state === IDLE))
        throw new Error(`piece ${index}: state ${state}, in bucket ${inBucket}`);
      const requesters = this.#requesters.get(index)?.size ?? 0;
      if (requesters > 0 !== (state === IN_FLIGHT))
        throw new Error(`piece ${index}: ${requesters} requesters`);
      if (state === IDLE) idle++;
      if (state === IN_FLIGHT) inFlight++;
    }
    if (inFlight !== this.#inFlight) throw new Error("pieces in flight miscounted");
    if (idle !== this.#idle || this.#buckets.flat().length !== idle)
      throw new Error("idle pieces miscounted");
  }

  /** The idle piece with the lowest index. A complete peer has it; any other peer has a list of its own. */
  #first(peer: Peer): number | undefined {
    const index = peer.has.complete ? this.#nextIdle() : this.#ownFirst(peer);
    return index !== undefined && index < Math.min(this.#state.length, this.#horizon) ? index : undefined;
  }

  #ownFirst(peer: Peer): number | undefined {
    peer.own ??= [...peer.has].reverse();
    while (this.#isOver(peer.own.at(-1))) peer.own.pop();
    return peer.own.findLast((index) => this.#state[index] === IDLE);
  }

  #nextIdle(): number {
    while (this.#lowestIdle < this.#state.length && this.#state[this.#lowestIdle] !== IDLE)
      this.#lowestIdle++;
    return this.#lowestIdle;
  }

  #rarest(peer: Peer, prefer?: (index: PieceIndex) => boolean): number | undefined {
    let probes = MAX_PROBES;
    // An incomplete peer's pieces have at least one copy: its own.
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
      if (this.#isOver(index)) {
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
    for (const index of has) if (!this.#isOver(index)) list.push(index);
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

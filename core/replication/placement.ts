import { hashOfText, rendezvousScore } from "../base/rendezvous.ts";
import type { CopyCount } from "./copies.ts";
import type { PlanInput, PlanVolunteer } from "./input.ts";
import { countBits, emptyWords, firstBits, fullWords, type PieceWords } from "./words.ts";

/** Parts that a torrent is placed in at most, so that a large one is spread over some volunteers, not over all. */
const MAX_BLOCKS = 32;
/** A volunteer with a bound on its bandwidth gets no more than it copies in so long. */
const ORDER_SECONDS = 60;
/** Steps of one plan: what is left over is for the next. */
const MAX_STEPS = 2_000;

/** A volunteer that may get an order in this plan. */
interface Candidate {
  readonly volunteer: PlanVolunteer;
  /** Pieces that it still has room for. */
  room: number;
  /** What it has, will have by an older order, or gets now. */
  held: PieceWords | undefined;
  /** What it gets. */
  taken: PieceWords | undefined;
}

export interface Placed {
  readonly volunteer: PlanVolunteer;
  readonly words: PieceWords;
}

/** Pieces of which one more copy is wanted in one block. */
interface Need {
  readonly block: number;
  readonly from: number;
  readonly words: PieceWords;
}

/** Says which volunteer is to have which pieces. What is said of it first is what there is already. */
export class Placement {
  readonly #input: PlanInput;
  readonly #copies: CopyCount;
  readonly #all: PieceWords;
  /** What each peer has, or will have by an order. */
  readonly #held = new Map<string, PieceWords>();
  readonly #inZone = new Map<string, PieceWords>();
  readonly #busy = new Set<string>();
  readonly #blockWords: number;
  readonly #seed: number;
  #steps = 0;

  constructor(input: PlanInput, copies: CopyCount) {
    this.#input = input;
    this.#copies = copies;
    this.#all = fullWords(input.totalPieces);
    this.#blockWords = Math.ceil(this.#all.length / MAX_BLOCKS);
    this.#seed = hashOfText(input.infoHash);
  }

  /** A peer that stays has these. */
  has({ leaseId, zone }: { leaseId: string; zone: string }, words: PieceWords): void {
    this.#held.set(leaseId, words.slice());
    this.#copies.add(words);
    add(this.#zone(zone), words);
  }

  /** What a peer has, or will have by an order, of one word. */
  heldAt(leaseId: string, at: number): number {
    return this.#held.get(leaseId)?.[at] ?? 0;
  }

  /** A volunteer is on its way to have these too, none of which it has. It gets no other order in this swarm meanwhile. */
  ordered({ leaseId, zone }: { leaseId: string; zone: string }, words: PieceWords): void {
    this.#busy.add(leaseId);
    this.#copies.add(words);
    add(this.#zone(zone), words);
    const held = this.#held.get(leaseId) ?? emptyWords(this.#input.totalPieces);
    add(held, words);
    this.#held.set(leaseId, held);
  }

  /** Finds a place for what is missing and `available`, the rarest first. */
  place(available: PieceWords): readonly Placed[] {
    let candidates = this.#candidates();
    const begun: Candidate[] = [];
    for (let copies = 0; copies < this.#input.target; copies++) {
      for (let block = 0; block * this.#blockWords < this.#all.length; block++) {
        const need = this.#needOf(block, copies, available);
        if (!need) continue;
        for (const taker of this.#placeBlock(need, candidates)) if (!begun.includes(taker)) begun.push(taker);
        candidates = candidates.filter(({ room }) => room > 0);
        if (candidates.length === 0 || this.#steps >= MAX_STEPS) return begun.flatMap(placed);
      }
    }
    return begun.flatMap(placed);
  }

  #candidates(): Candidate[] {
    const { volunteers, holders, caps } = this.#input;
    const leaving = new Set(
      holders.filter(({ listed, draining }) => !listed || draining).map(({ leaseId }) => leaseId),
    );
    return volunteers.flatMap((volunteer): Candidate[] => {
      const { leaseId, orders } = volunteer;
      const room = this.#roomOf(volunteer);
      if (room === 0 || orders >= caps.maxOrdersPerPeer) return [];
      if (this.#busy.has(leaseId) || leaving.has(leaseId)) return [];
      return [{ volunteer, room, held: this.#held.get(leaseId), taken: undefined }];
    });
  }

  #roomOf({ freeBytes, bytesPerSecond }: PlanVolunteer): number {
    const { pieceBytes, caps } = this.#input;
    const bytes = Math.min(
      caps.maxOrderBytes,
      bytesPerSecond > 0 ? bytesPerSecond * ORDER_SECONDS : Infinity,
    );
    return Math.min(Math.floor(freeBytes / pieceBytes), Math.max(1, Math.floor(bytes / pieceBytes)));
  }

  /** Undefined if the block has no piece with exactly so many copies that anybody could give. */
  #needOf(block: number, copies: number, available: PieceWords): Need | undefined {
    const from = block * this.#blockWords;
    const words = new Int32Array(Math.min(this.#blockWords, this.#all.length - from));
    let any = 0;
    for (let n = 0; n < words.length; n++) {
      const at = from + n;
      words[n] = this.#copies.exactlyAt(at, copies, this.#all[at]!) & available[at]!;
      any |= words[n]!;
    }
    return any === 0 ? undefined : { block, from, words };
  }

  /** Finds a place for one more copy of each of these pieces. Returns who takes some. */
  #placeBlock(need: Need, candidates: readonly Candidate[]): Set<Candidate> {
    const takers = new Set<Candidate>();
    while (this.#steps++ < MAX_STEPS && need.words.some((word) => word !== 0)) {
      const best = this.#best(need, candidates);
      if (!best) break;
      this.#take(need, best);
      takers.add(best);
    }
    return takers;
  }

  /** A zone without a copy wins before one with; of these, the highest score. */
  #best({ block, from, words }: Need, candidates: readonly Candidate[]): Candidate | undefined {
    const fresh = new Map<string, boolean>();
    const thing = this.#seed + block;
    let best: Candidate | undefined;
    let bestFresh = false;
    let bestScore = -1;
    for (const candidate of candidates) {
      const { room, held, volunteer } = candidate;
      if (room === 0 || (held && !lacksAny(held, from, words))) continue;
      let isFresh = fresh.get(volunteer.zone);
      if (isFresh === undefined) {
        const inZone = this.#inZone.get(volunteer.zone);
        isFresh = !inZone || lacksAny(inZone, from, words);
        fresh.set(volunteer.zone, isFresh);
      }
      if (bestFresh && !isFresh) continue;
      const score = rendezvousScore(thing, volunteer.urlHash);
      const better = isFresh !== bestFresh || score > bestScore;
      if (!better && (score < bestScore || volunteer.url >= best!.volunteer.url)) continue;
      best = candidate;
      bestFresh = isFresh;
      bestScore = score;
    }
    return best;
  }

  #take({ from, words }: Need, candidate: Candidate): void {
    const { volunteer } = candidate;
    const zone = this.#zone(volunteer.zone);
    const fresh = lacksAny(zone, from, words);
    candidate.held ??= emptyWords(this.#input.totalPieces);
    candidate.taken ??= emptyWords(this.#input.totalPieces);
    for (let n = 0; n < words.length && candidate.room > 0; n++) {
      const at = from + n;
      const wanted = words[n]! & ~candidate.held[at]! & (fresh ? ~zone[at]! : -1);
      const bits = firstBits(wanted, candidate.room);
      candidate.room -= countBits(bits);
      candidate.held[at]! |= bits;
      candidate.taken[at]! |= bits;
      zone[at]! |= bits;
      words[n]! &= ~bits;
      this.#copies.addAt(at, bits);
    }
  }

  #zone(zone: string): PieceWords {
    const words = this.#inZone.get(zone) ?? emptyWords(this.#input.totalPieces);
    this.#inZone.set(zone, words);
    return words;
  }
}

function placed({ volunteer, taken }: Candidate): Placed[] {
  return taken ? [{ volunteer, words: taken }] : [];
}

function lacksAny(held: PieceWords, from: number, words: PieceWords): boolean {
  for (let n = 0; n < words.length; n++) if ((words[n]! & ~held[from + n]!) !== 0) return true;
  return false;
}

function add(to: PieceWords, words: PieceWords): void {
  for (let at = 0; at < to.length; at++) to[at]! |= words[at]!;
}

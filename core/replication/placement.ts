import { hashOfText, rendezvousScore } from "../base/rendezvous.ts";
import type { CopyCount } from "./copies.ts";
import type { PlanInput, PlanPeer, PlanVolunteer } from "./input.ts";
import { addWords, countBits, emptyWords, firstBits, fullWords, type PieceWords } from "./words.ts";

/** The most blocks into which a torrent is divided for placing: a large one uses some volunteers, not all. */
const MAX_BLOCKS = 32;
/** A volunteer with limited bandwidth gets no more pieces than it can copy in this time. */
const ORDER_SECONDS = 60;
/** Steps of one plan. The next plan does the rest. */
const MAX_STEPS = 2_000;

/** A volunteer that may get an order in this plan. */
interface Candidate {
  readonly volunteer: PlanVolunteer;
  /** Pieces for which the volunteer has room. */
  room: number;
  /** Pieces that it has, or will have by an older order or by this plan. */
  held: PieceWords | undefined;
  /** Pieces that this plan gives it. */
  taken: PieceWords | undefined;
}

export interface Placed {
  readonly volunteer: PlanVolunteer;
  readonly words: PieceWords;
}

/** Pieces of one block that want one more copy. */
interface Need {
  readonly block: number;
  readonly from: number;
  readonly words: PieceWords;
}

/** Decides which volunteer gets which pieces. Its owner first reports the existing copies and orders. */
export class Placement {
  readonly #input: PlanInput;
  readonly #copies: CopyCount;
  readonly #all: PieceWords;
  /** Each peer's pieces, including those of its order. */
  readonly #held = new Map<string, PieceWords>();
  readonly #inZone = new Map<string, PieceWords>();
  readonly #busy = new Set<string>();
  readonly #blockWords: number;
  readonly #torrentHash: number;
  #steps = 0;

  constructor(input: PlanInput, copies: CopyCount) {
    this.#input = input;
    this.#copies = copies;
    this.#all = fullWords(input.totalPieces);
    this.#blockWords = Math.ceil(this.#all.length / MAX_BLOCKS);
    this.#torrentHash = hashOfText(input.infoHash);
  }

  /** A peer that stays has these pieces. */
  has({ leaseId, zone }: Omit<PlanPeer, "url">, words: PieceWords): void {
    this.#held.set(leaseId, words.slice());
    this.#copies.add(words);
    addWords(this.#zone(zone), words);
  }

  /** In one word: the pieces that a peer has or will have by an order. */
  heldAt(leaseId: string, at: number): number {
    return this.#held.get(leaseId)?.[at] ?? 0;
  }

  /** A volunteer's order adds these pieces, none of which it has. It gets no other order in this swarm meanwhile. */
  ordered({ leaseId, zone }: Omit<PlanPeer, "url">, words: PieceWords): void {
    this.#busy.add(leaseId);
    this.#copies.add(words);
    addWords(this.#zone(zone), words);
    const held = this.#held.get(leaseId) ?? emptyWords(this.#input.totalPieces);
    addWords(held, words);
    this.#held.set(leaseId, held);
  }

  /** Places the missing pieces among `available`, the rarest first. */
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

  /** Undefined if no piece of the block has exactly `copies` copies and a source. */
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

  /** Places one more copy of each of these pieces. Returns the volunteers that take some. */
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

  /** The volunteer for a block: one in a zone without a copy if there is one, and of these the highest score. */
  #best({ block, from, words }: Need, candidates: readonly Candidate[]): Candidate | undefined {
    const fresh = new Map<string, boolean>();
    const thing = this.#torrentHash + block;
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

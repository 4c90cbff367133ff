import { Bitfield } from "#core/base/bitfield.ts";
import type { Random } from "#core/base/clock.ts";
import { MAX_PIECES } from "#core/torrent/piece.ts";
import type { DeclaredPiece, LegacyMember } from "../store/swarm-store.ts";

/** Bytes around a hash in a message, and bytes of the longest hash. */
const PAIR_BYTES = 8;
const MAX_HASH_BYTES = 255;

/** The pieces that legacy peers declare, as LocatePieces tells them. */
export interface LegacyTable {
  /** Each different pair of number and hash once. */
  readonly pairs: readonly DeclaredPiece[];
  /** For each member, which of the pairs it declares. */
  readonly declared: readonly Bitfield[];
}

/**
 * The members' pairs in the order of their numbers. If they may exceed `budgetBytes`, the table has as many as fit,
 * from a random number on and round, so that a caller that asks again sees the others. The cost depends on the pairs
 * in the answer, not on all that are declared.
 */
export function legacyTable(
  members: readonly LegacyMember[],
  budgetBytes: number,
  random: Random,
): LegacyTable {
  const first = firstNumber(members, budgetBytes, random);
  const cursors = members.map(({ pieces }) => new Cursor(pieces, first));
  const pairs: DeclaredPiece[] = [];
  const places: number[][] = members.map(() => []);
  for (let bytes = 0; bytes < budgetBytes; ) {
    const next = Math.min(...cursors.map(({ distance }) => distance));
    if (next === Number.POSITIVE_INFINITY) break;
    const byHash = new Map<string, number>();
    for (const [member, cursor] of cursors.entries()) {
      if (cursor.distance !== next) continue;
      const pair = cursor.take();
      const place = byHash.get(pair.hash) ?? pairs.push(pair) - 1;
      if (!byHash.has(pair.hash)) bytes += PAIR_BYTES + pair.hash.length;
      byHash.set(pair.hash, place);
      places[member]!.push(place);
    }
  }
  return { pairs, declared: places.map((list) => Bitfield.of(pairs.length, list)) };
}

/** The number at which the table begins: 1 if all pairs are sure to fit. */
function firstNumber(members: readonly LegacyMember[], budgetBytes: number, random: Random): number {
  const pieces = members.reduce((sum, member) => sum + member.pieces.length, 0);
  if (pieces * (PAIR_BYTES + MAX_HASH_BYTES) <= budgetBytes) return 1;
  const last = Math.max(...members.map((member) => member.pieces.at(-1)?.number ?? 1));
  return 1 + Math.floor(random() * last);
}

/** Walks once round one member's pieces, from a number on. */
class Cursor {
  readonly #pieces: readonly DeclaredPiece[];
  readonly #first: number;
  #at: number;
  #left: number;

  constructor(pieces: readonly DeclaredPiece[], first: number) {
    this.#pieces = pieces;
    this.#first = first;
    this.#at = placeOf(first, pieces);
    this.#left = pieces.length;
  }

  /** The distance of the next piece's number from the first number; infinite at the end of the walk. */
  get distance(): number {
    if (this.#left === 0) return Number.POSITIVE_INFINITY;
    const { number } = this.#pieces[this.#at % this.#pieces.length]!;
    return number >= this.#first ? number - this.#first : number - this.#first + MAX_PIECES;
  }

  take(): DeclaredPiece {
    this.#left--;
    return this.#pieces[this.#at++ % this.#pieces.length]!;
  }
}

/** The place of the first piece with at least this number. */
function placeOf(number: number, pieces: readonly DeclaredPiece[]): number {
  let low = 0;
  let high = pieces.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (pieces[middle]!.number < number) low = middle + 1;
    else high = middle;
  }
  return low;
}

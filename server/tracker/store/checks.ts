import { InvalidField } from "#core/base/errors.ts";
import { MAX_PIECES } from "#core/torrent/piece.ts";

/** The longest name, URL or id that a request may carry, in bytes of UTF-8. */
const MAX_STRING_BYTES = 255;

/** Controls and line separators. With these a name could forge lines of a log, or give orders to a terminal. */
const CONTROLS = /[\p{Cc}\p{Zl}\p{Zp}]/u;

/** The highest replication target, in copies of each piece. A torrent that asks for more gets this target. */
export const MAX_TARGET = 1_000;

/** Returns the number of pieces that a request names. Throws InvalidField unless it is 1 to 131,072. */
export function checkTotalPieces(totalPieces: number, field = "total_pieces"): number {
  if (totalPieces < 1 || totalPieces > MAX_PIECES)
    throw new InvalidField(field, `must be 1 to ${MAX_PIECES}`);
  return totalPieces;
}

/**
 * Returns a text of a request. Throws InvalidField if it is longer than 255 bytes or contains control characters.
 * Every text of every call passes here, except hashes, which are checked to be hex digits.
 */
export function checkString(field: string, text: string): string {
  if (text.length > MAX_STRING_BYTES || Buffer.byteLength(text) > MAX_STRING_BYTES) {
    throw new InvalidField(field, `must be at most ${MAX_STRING_BYTES} bytes`);
  }
  if (CONTROLS.test(text)) throw new InvalidField(field, "must not contain control characters");
  return text;
}

/** Throws InvalidField if a list of a request has more than `most` entries. */
export function checkCount(field: string, list: readonly unknown[], most: number): void {
  if (list.length > most) throw new InvalidField(field, `must be at most ${most}`);
}

import { InvalidField } from "#core/base/errors.ts";
import { MAX_PIECES } from "#core/torrent/piece.ts";

/** UTF-8 bytes of a name, a URL, an id. */
const MAX_STRING_BYTES = 255;

/** Copies that a torrent may ask for; more is taken for that. */
export const MAX_TARGET = 1_000;

/** A number of pieces from outside: 1 to 131,072. */
export function checkTotalPieces(totalPieces: number, field = "total_pieces"): number {
  if (totalPieces < 1 || totalPieces > MAX_PIECES)
    throw new InvalidField(field, `must be 1 to ${MAX_PIECES}`);
  return totalPieces;
}

export function checkString(field: string, text: string): string {
  if (text.length > MAX_STRING_BYTES || Buffer.byteLength(text) > MAX_STRING_BYTES) {
    throw new InvalidField(field, `must be at most ${MAX_STRING_BYTES} bytes`);
  }
  return text;
}

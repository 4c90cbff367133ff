import type { Formats } from "../base/format.ts";

/** Ranges that fit into a line. */
const MOST = 12;

/** Writes ranges of numbers as "1–5, 9, …". */
export function numbersOf(
  ranges: readonly (readonly [from: number, to: number])[],
  { count }: Formats,
): string {
  const shown = ranges
    .slice(0, MOST)
    .map(([from, to]) => (from === to ? count(from) : `${count(from)}–${count(to)}`))
    .join(", ");
  return ranges.length > MOST ? `${shown}, …` : shown;
}

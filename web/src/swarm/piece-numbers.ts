import type { Formats } from "../base/format.ts";

/** As many ranges as a line takes. */
const MOST = 12;

/** Ranges of numbers as a person reads them: "1–5, 9, …". */
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

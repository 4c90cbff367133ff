import { printable } from "./units.ts";

/** Characters that take two columns of a terminal: East Asian wide and fullwidth ones, and most emoji. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;
const ZERO_WIDTH = /[\p{Mn}\p{Me}\p{Cf}]/u;

/** The number of terminal columns that the text takes. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const char of text) width += ZERO_WIDTH.test(char) ? 0 : WIDE.test(char) ? 2 : 1;
  return width;
}

/** The text as it is printed, in at most `columns` columns; if it is cut, it ends in an ellipsis. */
export function truncate(outside: string, columns: number): string {
  const text = printable(outside);
  if (displayWidth(text) <= columns) return text;
  let kept = "";
  for (const char of text) {
    if (displayWidth(kept + char) > columns - 1) break;
    kept += char;
  }
  return `${kept}\u2026`;
}

/** A cell that is wider moves only the rest of its own row, so that one long name does not widen every row. */
const MAX_PADDED = 48;

/** Rows of cells as lines with aligned columns; the columns in `right` are right-aligned. */
export function table(outside: readonly (readonly string[])[], right: readonly number[] = []): string[] {
  // What replaces a character has another width.
  const rows = outside.map((row) => row.map(printable));
  const widths: number[] = [];
  for (const row of rows) {
    for (const [at, cell] of row.entries()) {
      const width = displayWidth(cell);
      widths[at] = Math.max(widths[at] ?? 0, width <= MAX_PADDED ? width : 0);
    }
  }
  const pad = (cell: string, at: number) => {
    const space = " ".repeat(Math.max(0, widths[at]! - displayWidth(cell)));
    return right.includes(at) ? space + cell : cell + space;
  };
  return rows.map((row) => row.map(pad).join("  ").trimEnd());
}

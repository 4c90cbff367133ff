/** A Markdown table whose columns are even, so that a terminal shows it well too; all but the first to the right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((_, at) => Math.max(3, ...[head, ...rows].map((row) => row[at]!.length)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, at) => (at === 0 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!))).join(" | ")} |`;
  const rule = widths.map((width, at) => (at === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`));
  return [head, rule, ...rows].map(line).join("\n");
}

/** The middle of the values; between the two middle ones if they are even. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Median (min-max). */
export function spread(values: readonly number[], digits: number): string {
  const [middle, min, max] = [median(values), Math.min(...values), Math.max(...values)];
  return `${middle.toFixed(digits)} (${min.toFixed(digits)}-${max.toFixed(digits)})`;
}

/** What a measured value should be. */
export interface Bar {
  readonly sign: ">=" | "<=" | "<";
  readonly value: number;
  /** Printed behind it. */
  readonly unit: string;
}

/** The cells of a measured value and its bar: median (min-max), the bar, and which side of it the median is on. */
export function barCells(values: readonly number[], digits: number, { sign, value, unit }: Bar): string[] {
  const middle = median(values);
  const isMet = sign === ">=" ? middle >= value : sign === "<=" ? middle <= value : middle < value;
  return [`${spread(values, digits)} ${unit}`, `${sign} ${value} ${unit}`, isMet ? "met" : "missed"];
}

import type { CopiesSample } from "../../support/swarms/copies.ts";

/** Something that happened while the copies were watched. */
export interface Moment {
  readonly atMs: number;
  readonly what: string;
}

const WIDTH = 860;
const HEIGHT = 388;
const PLOT = { left: 56, right: 844, top: 60, bottom: 260 };
/** What happened is numbered in the plot and told below it, in columns of so many lines. */
const LIST = { top: 304, lines: 4, lineHeight: 19, columnWidth: 270 };
/** From no copy to more than are wanted. */
const COLOURS = ["#b3261e", "#e8710a", "#f2b134", "#2f7d5b", "#5a8fd6", "#7b61c4"];

/** How many pieces had how many copies, over time: a stacked area for each number of copies, with what happened. */
export function drawCopies(
  samples: readonly CopiesSample[],
  moments: readonly Moment[],
  { target, totalPieces }: { target: number; totalPieces: number },
): string {
  const endMs = samples.at(-1)?.atMs ?? 1;
  const x = (atMs: number) => round(PLOT.left + (atMs / endMs) * (PLOT.right - PLOT.left));
  const y = (pieces: number) => round(PLOT.bottom - (pieces / totalPieces) * (PLOT.bottom - PLOT.top));
  const levels = Math.max(target, ...samples.map(({ pieces }) => pieces.length - 1));
  const areas = Array.from({ length: levels + 1 }, (_, copies) => {
    const below = (sample: CopiesSample) => sum(sample.pieces.slice(0, copies));
    const upTo = (sample: CopiesSample) => sum(sample.pieces.slice(0, copies + 1));
    const top = steps(samples, (sample) => `${y(upTo(sample))}`, x);
    const bottom = steps(samples, (sample) => `${y(below(sample))}`, x).reverse();
    return `<polygon fill="${COLOURS[copies] ?? COLOURS.at(-1)}" points="${[...top, ...bottom].join(" ")}"/>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif" font-size="12" fill="#444">`,
    `<title>Copies of ${totalPieces} pieces over time</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    legend(levels, target),
    ...areas,
    ...moments.map((moment, n) => marker(moment, n, x)),
    ...moments.map(listed),
    `<text x="${PLOT.left - 8}" y="${PLOT.top + 4}" text-anchor="end">${totalPieces}</text>`,
    `<text x="${PLOT.left - 8}" y="${PLOT.bottom + 4}" text-anchor="end">0</text>`,
    ...ticks(endMs, x),
    "</svg>",
    "",
  ].join("\n");
}

/** A sample holds until the next one. */
function steps(
  samples: readonly CopiesSample[],
  y: (sample: CopiesSample) => string,
  x: (atMs: number) => number,
): string[] {
  return samples.flatMap((sample, n) => {
    const until = samples[n + 1]?.atMs ?? sample.atMs;
    return [`${x(sample.atMs)},${y(sample)}`, `${x(until)},${y(sample)}`];
  });
}

function legend(levels: number, target: number): string {
  return Array.from({ length: levels + 1 }, (_, copies) => {
    const left = PLOT.left + copies * 124;
    const text = copies === 0 ? "no copy" : copies === 1 ? "1 copy" : `${copies} copies`;
    return (
      `<rect x="${left}" y="8" width="12" height="12" fill="${COLOURS[copies] ?? COLOURS.at(-1)}"/>` +
      `<text x="${left + 18}" y="18">${text}${copies === target ? " (target)" : ""}</text>`
    );
  }).join("");
}

/** Of two that would cover each other, the second stands higher. */
function marker({ atMs }: Moment, n: number, x: (atMs: number) => number): string {
  const at = x(atMs);
  const y = PLOT.top - 9 - (n % 2) * 15;
  return (
    `<line x1="${at}" x2="${at}" y1="${y + 4}" y2="${PLOT.bottom}" stroke="#222" stroke-dasharray="2 3"/>` +
    `<text x="${at}" y="${y}" text-anchor="middle" font-weight="bold">${n + 1}</text>`
  );
}

function listed({ atMs, what }: Moment, n: number): string {
  const left = PLOT.left + Math.floor(n / LIST.lines) * LIST.columnWidth;
  const y = LIST.top + (n % LIST.lines) * LIST.lineHeight;
  const at = `${(atMs / 1_000).toFixed(1)} s`;
  return (
    `<text x="${left}" y="${y}" font-weight="bold">${n + 1}</text>` +
    `<text x="${left + 62}" y="${y}" text-anchor="end">${at}</text><text x="${left + 72}" y="${y}">${what}</text>`
  );
}

function ticks(endMs: number, x: (atMs: number) => number): string[] {
  const stepMs = endMs > 120_000 ? 30_000 : 10_000;
  const texts: string[] = [];
  for (let atMs = 0; atMs <= endMs; atMs += stepMs) {
    texts.push(`<text x="${x(atMs)}" y="${PLOT.bottom + 18}" text-anchor="middle">${atMs / 1_000} s</text>`);
  }
  return texts;
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

import type { Output } from "./output.ts";
import { truncate } from "./table.ts";
import { formatBytes, formatRate, formatSeconds, printable } from "./units.ts";

/** The shortest pauses between two pictures, two "hashing" events and two lines of text. */
const DRAW_MS = 100;
const EVENT_MS = 500;
const LINE_MS = 5_000;

/** Called with the bytes hashed so far and those to hash in all. */
export type OnHashed = (hashedBytes: number, totalBytes: number) => void;

/**
 * Shows how far the hashing of a file or folder is: as events with --json, as a picture on a terminal, else as a line
 * every few seconds. `now`: milliseconds.
 */
export function showHashing(
  name: string,
  out: Output,
  { noProgress }: { readonly noProgress: boolean },
  now: () => number = () => performance.now(),
): OnHashed {
  const everyMs = out.json ? EVENT_MS : out.terminal ? DRAW_MS : LINE_MS;
  const startMs = now();
  let shownMs = startMs;
  return (hashedBytes, totalBytes) => {
    const atMs = now();
    if (atMs - shownMs < everyMs) return;
    shownMs = atMs;
    if (out.json) {
      out.event("hashing", { path: name, hashed_bytes: hashedBytes, total_bytes: totalBytes });
    } else if (!noProgress && !out.quiet) {
      const line = hashingLine(name, hashedBytes, totalBytes, atMs - startMs);
      if (out.terminal) out.draw(({ columns }) => [truncate(line, columns - 1)]);
      else out.note(line);
    }
  };
}

/** The hashing as one line: its share, bytes, rate and time left. */
export function hashingLine(
  name: string,
  hashedBytes: number,
  totalBytes: number,
  elapsedMs: number,
): string {
  const share = Math.floor((100 * hashedBytes) / Math.max(1, totalBytes));
  const leftMs = ((totalBytes - hashedBytes) * elapsedMs) / Math.max(1, hashedBytes);
  return [
    `hashing ${printable(name)}`,
    `${share} %`,
    `${formatBytes(hashedBytes)} of ${formatBytes(totalBytes)}`,
    formatRate((1_000 * hashedBytes) / Math.max(1, elapsedMs)),
    `${formatSeconds(leftMs)} left`,
  ].join("  ");
}

import type { SwarmNews } from "../base/messages.ts";

const HEIGHT = 48;
/** A piece that nobody has is a mark at the bottom and not a gap, which would look like the end. */
const NOBODY_PX = 4;
/** How much colour a copy on its way has. */
const ON_ITS_WAY_OPACITY = 0.38;

/**
 * Paints how many copies there are of each piece, from the first on the left; where several share a pixel, the fewest.
 * With a target: a line at it, pieces below it in another colour, and above them, paler, the copies on their way.
 */
export function drawAvailability(
  canvas: HTMLCanvasElement,
  { copies, onTheirWay, replication: { target } }: Pick<SwarmNews, "copies" | "onTheirWay" | "replication">,
  width: number,
  scale: number,
): void {
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(HEIGHT * scale);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${HEIGHT}px`;
  const pen = canvas.getContext("2d")!;
  const style = getComputedStyle(canvas);
  const bars = Math.min(canvas.width, copies.length);
  const most = copies.reduce((highest, count) => Math.max(highest, count), Math.max(1, target));
  const edge = (bar: number) => Math.round((bar / bars) * canvas.width);
  const heightOf = (count: number) => (count / most) * canvas.height;
  for (let bar = 0; bar < bars; bar++) {
    const fewest = fewestOf(copies, bar, bars);
    const height = fewest === 0 ? NOBODY_PX * scale : heightOf(fewest);
    const gap = edge(bar + 1) - edge(bar) > 3 * scale ? scale : 0;
    const [x, wide] = [edge(bar), edge(bar + 1) - edge(bar) - gap];
    pen.fillStyle = style.getPropertyValue(colourOf(fewest, target));
    pen.fillRect(x, canvas.height - height, wide, height);
    const coming = heightOf(onTheirWay.length > 0 ? mostOf(onTheirWay, bar, bars) : 0);
    if (coming === 0) continue;
    pen.globalAlpha = ON_ITS_WAY_OPACITY;
    pen.fillStyle = style.getPropertyValue("--peer-1");
    pen.fillRect(x, canvas.height - height - coming, wide, coming);
    pen.globalAlpha = 1;
  }
  if (target === 0) return;
  pen.fillStyle = style.getPropertyValue("--text");
  pen.fillRect(0, Math.min(canvas.height - scale, canvas.height - heightOf(target)), canvas.width, scale);
}

function colourOf(copies: number, target: number): string {
  if (copies === 0) return "--bad";
  return copies < target ? "--peer-5" : "--peer-1";
}

function fewestOf(counts: Uint16Array, bar: number, bars: number): number {
  return partOf(counts, bar, bars).reduce((least, count) => Math.min(least, count));
}

function mostOf(counts: Uint16Array, bar: number, bars: number): number {
  return partOf(counts, bar, bars).reduce((most, count) => Math.max(most, count));
}

function partOf(counts: Uint16Array, bar: number, bars: number): Uint16Array {
  const from = Math.floor((bar * counts.length) / bars);
  return counts.subarray(from, Math.floor(((bar + 1) * counts.length) / bars));
}

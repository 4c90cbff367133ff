import type { SwarmNews } from "../base/messages.ts";

const HEIGHT = 48;
/** Height of the mark of a piece without a copy: a gap would look like the end of the bar. */
const NOBODY_PX = 4;
/** Opacity of copies that are being made. */
const ON_ITS_WAY_OPACITY = 0.38;

/**
 * Paints the copies of each piece, from the first piece on the left; pieces that share a pixel show the fewest. With
 * a replication target, a line marks it, pieces below it have another colour, and copies that are being made are
 * paler on top.
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

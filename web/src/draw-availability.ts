const HEIGHT = 48;
/** A piece that nobody has is a mark at the bottom and not a gap, which would look like the end. */
const NOBODY_PX = 4;

/** Paints how many copies there are of each piece, from the first on the left; where several share a pixel, the fewest. */
export function drawAvailability(
  canvas: HTMLCanvasElement,
  copies: Uint16Array,
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
  const most = copies.reduce((highest, count) => Math.max(highest, count), 1);
  const edge = (bar: number) => Math.round((bar / bars) * canvas.width);
  for (let bar = 0; bar < bars; bar++) {
    const from = Math.floor((bar * copies.length) / bars);
    const to = Math.floor(((bar + 1) * copies.length) / bars);
    const fewest = copies.subarray(from, to).reduce((least, count) => Math.min(least, count));
    const height = fewest === 0 ? NOBODY_PX * scale : (fewest / most) * canvas.height;
    pen.fillStyle = style.getPropertyValue(fewest === 0 ? "--bad" : "--peer-1");
    const gap = edge(bar + 1) - edge(bar) > 3 * scale ? scale : 0;
    pen.fillRect(edge(bar), canvas.height - height, edge(bar + 1) - edge(bar) - gap, height);
  }
}

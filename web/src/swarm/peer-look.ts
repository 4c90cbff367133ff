/** How a peer looks in the map and in its legend: a colour and a pattern, so that colour is never the only sign. */

/** Number of peer colours in app.css, --peer-1 to --peer-8. */
const COLOURS = 8;
/** Solid is first, because most swarms are small. The others differ in direction, not only in darkness. */
const PATTERNS = ["solid", "rising", "dots", "falling", "upright", "level", "crossed", "checked"] as const;

export type Pattern = (typeof PATTERNS)[number];

export interface PeerLook {
  /** A custom property of the page, such as "--peer-1". */
  readonly colour: string;
  readonly pattern: Pattern;
  /** The peer's number on the page: its slot, from 1. */
  readonly number: number;
}

/** The look of a slot. The first 64 slots all differ, and neighbours differ in colour and in pattern. */
export function lookOf(slot: number): PeerLook {
  const colour = slot % COLOURS;
  const pattern = PATTERNS[(slot + Math.floor(slot / COLOURS)) % PATTERNS.length]!;
  return { colour: `--peer-${colour + 1}`, pattern, number: slot + 1 };
}

/** Side of a pattern tile, in CSS pixels. */
const TILE = 6;

/** A canvas fill in `colour` with the pattern in `marks`. `scale` is canvas pixels for each CSS pixel. */
export function fillOf(
  context: CanvasRenderingContext2D,
  pattern: Pattern,
  colour: string,
  marks: string,
  scale: number,
): string | CanvasPattern {
  if (pattern === "solid") return colour;
  const side = Math.round(TILE * scale);
  const tile = document.createElement("canvas");
  tile.width = side;
  tile.height = side;
  const pen = tile.getContext("2d")!;
  pen.fillStyle = colour;
  pen.fillRect(0, 0, side, side);
  pen.fillStyle = marks;
  pen.strokeStyle = marks;
  pen.lineWidth = Math.max(1, side / 5);
  drawMarks(pen, pattern, side);
  return context.createPattern(tile, "repeat") ?? colour;
}

function drawMarks(pen: CanvasRenderingContext2D, pattern: Pattern, side: number): void {
  const half = side / 2;
  const line = (fromX: number, fromY: number, toX: number, toY: number) => {
    pen.beginPath();
    pen.moveTo(fromX, fromY);
    pen.lineTo(toX, toY);
    pen.stroke();
  };
  // Slanted lines run past the corners of the tile, so that they meet those of the next tile.
  const slanted = (sign: 1 | -1) => {
    for (const shift of [-side, 0, side]) {
      const [from, to] = sign === 1 ? [side + half, -half] : [-half, side + half];
      line(shift - half, from, shift + side + half, to);
    }
  };
  if (pattern === "rising" || pattern === "crossed") slanted(1);
  if (pattern === "falling" || pattern === "crossed") slanted(-1);
  if (pattern === "upright") line(half, 0, half, side);
  if (pattern === "level") line(0, half, side, half);
  if (pattern === "checked") {
    pen.fillRect(0, 0, half, half);
    pen.fillRect(half, half, half, half);
  }
  if (pattern === "dots") {
    pen.beginPath();
    pen.arc(half, half, side / 5, 0, 2 * Math.PI);
    pen.fill();
  }
}

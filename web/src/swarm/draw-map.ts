import type { Bitfield } from "#core/base/bitfield.ts";
import { PieceMap } from "#core/download/snapshot.ts";
import { fillOf, lookOf } from "./peer-look.ts";
import { cellAt, type PieceGrid } from "./piece-grid.ts";

/** Opacity of a piece in flight, in the colour of its peer. */
const IN_FLIGHT_OPACITY = 0.34;
/** Squares below this pitch have no room for a pattern. */
const PATTERN_MIN_PX = 9;

/** The pieces of a download as a map shows them. */
export interface MappedPieces {
  readonly map: Uint16Array;
  /** Missing pieces that are not wanted are outlines; undefined: all are wanted. */
  readonly wanted: Bitfield | undefined;
  /** Pieces that players are at: their squares have a frame. */
  readonly places: readonly number[];
}

/** Paints the whole map: at most some thousand squares, at most five times a second. */
export function drawMap(
  canvas: HTMLCanvasElement,
  { map, wanted, places }: MappedPieces,
  grid: PieceGrid,
  scale: number,
): void {
  resize(canvas, grid, scale);
  const pen = canvas.getContext("2d")!;
  const paint = paints(canvas, pen, grid, scale);
  // Edges lie on whole canvas pixels, so that they are crisp although the pitch is not whole.
  const edge = (n: number, pitch: number) => Math.round(n * pitch * scale);
  const gap = Math.round(grid.gap * scale);
  pen.clearRect(0, 0, canvas.width, canvas.height);
  for (let n = 0; n < grid.cells; n++) {
    const { entry, held } = cellAt(map, grid, n);
    const [column, row] = [n % grid.columns, Math.floor(n / grid.columns)];
    const [x, y] = [edge(column, grid.pitch), edge(row, grid.rowPitch)];
    const width = edge(column + 1, grid.pitch) - gap - x;
    const height = edge(row + 1, grid.rowPitch) - gap - y;
    if (entry === PieceMap.MISSING && wanted && !isWanted(wanted, grid, n)) {
      pen.strokeStyle = paint(PieceMap.HELD_BEFORE);
      pen.strokeRect(x + 0.5, y + 0.5, width - 1, height - 1);
      continue;
    }
    if (held < 1) {
      pen.fillStyle = paint(PieceMap.MISSING);
      pen.fillRect(x, y, width, height);
    }
    if (entry === PieceMap.MISSING) continue;
    pen.fillStyle = paint(entry);
    if (held > 0) pen.fillRect(x, y + height * (1 - held), width, height * held);
    else {
      pen.globalAlpha = IN_FLIGHT_OPACITY;
      pen.fillRect(x, y, width, height);
      pen.globalAlpha = 1;
    }
  }
  pen.strokeStyle = getComputedStyle(canvas).getPropertyValue("--text").trim();
  pen.lineWidth = Math.max(1, Math.round(2 * scale));
  for (const place of places) {
    const n = Math.floor(place / grid.perCell);
    const [x, y] = [edge(n % grid.columns, grid.pitch), edge(Math.floor(n / grid.columns), grid.rowPitch)];
    pen.strokeRect(x, y, edge(1, grid.pitch) - gap, edge(1, grid.rowPitch) - gap);
  }
  pen.lineWidth = 1;
}

/** Whether any piece of the square is wanted. */
function isWanted(wanted: Bitfield, { perCell }: PieceGrid, cell: number): boolean {
  const end = Math.min(wanted.size, (cell + 1) * perCell);
  for (let index = cell * perCell; index < end; index++) if (wanted.has(index)) return true;
  return false;
}

function resize(canvas: HTMLCanvasElement, grid: PieceGrid, scale: number): void {
  const width = Math.round(grid.width * scale);
  const height = Math.round(grid.height * scale);
  if (canvas.width === width && canvas.height === height) return;
  canvas.width = width;
  canvas.height = height;
  canvas.style.width = `${grid.width}px`;
  canvas.style.height = `${grid.height}px`;
}

/** The fill of each map entry, made at its first use. */
function paints(
  canvas: HTMLCanvasElement,
  pen: CanvasRenderingContext2D,
  grid: PieceGrid,
  scale: number,
): (entry: number) => string | CanvasPattern {
  const style = getComputedStyle(canvas);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const marks = colour("--map-marks");
  const made = new Map<number, string | CanvasPattern>([
    [PieceMap.MISSING, colour("--map-missing")],
    [PieceMap.HELD_BEFORE, colour("--map-before")],
  ]);
  return (entry) => {
    let fill = made.get(entry);
    if (fill === undefined) {
      const look = lookOf(PieceMap.slotOf(entry));
      const plain = grid.pitch - grid.gap < PATTERN_MIN_PX || !PieceMap.isHeld(entry);
      fill = fillOf(pen, plain ? "solid" : look.pattern, colour(look.colour), marks, scale);
      made.set(entry, fill);
    }
    return fill;
  };
}

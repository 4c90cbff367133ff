import { PieceMap } from "#core/download/snapshot.ts";

/** Layout of the piece map: squares in rows, each for one or several pieces. Lengths are CSS pixels. */
export interface PieceGrid {
  /** Pieces in one square, at least 1. */
  readonly perCell: number;
  readonly cells: number;
  readonly columns: number;
  readonly rows: number;
  /** Distance of squares, and of rows. Not whole numbers, so that rows fill the width. */
  readonly pitch: number;
  readonly rowPitch: number;
  readonly gap: number;
  readonly width: number;
  readonly height: number;
}

/** Pitches, the largest first. At the last one, a square stands for several pieces. */
const PITCHES = [28, 24, 20, 18, 16, 14, 12, 11, 10, 9, 8, 7] as const;
const MAX_HEIGHT = 264;
/** Squares may get this much wider to fill the last row. */
const STRETCH = 1.2;

/** Lays out `pieces` squares in `width` CSS pixels. */
export function gridOf(pieces: number, width: number): PieceGrid {
  const fits = (pitch: number) => Math.ceil(pieces / columnsOf(width, pitch)) * pitch <= MAX_HEIGHT;
  const wanted = PITCHES.find(fits) ?? PITCHES[PITCHES.length - 1]!;
  const most = columnsOf(width, wanted);
  const perCell = Math.max(1, Math.ceil(pieces / (most * Math.floor(MAX_HEIGHT / wanted))));
  const cells = Math.ceil(pieces / perCell);
  const gap = wanted >= 14 ? 2 : 1;
  if (cells <= most) {
    // With few pieces the squares are wider than high, so that the map is as wide as the column.
    const pitch = (width + gap) / cells;
    return { perCell, cells, columns: cells, rows: 1, pitch, rowPitch: wanted, gap, width, height: wanted };
  }
  const columns = evenColumns(cells, most);
  const pitch = (width + gap) / columns;
  const rows = Math.ceil(cells / columns);
  const height = Math.ceil(rows * pitch);
  return { perCell, cells, columns, rows, pitch, rowPitch: pitch, gap, width, height };
}

function columnsOf(width: number, pitch: number): number {
  return Math.max(1, Math.floor(width / pitch));
}

/** The number of columns, at most `most`, that leaves the smallest gap in the last row. */
function evenColumns(cells: number, most: number): number {
  const hole = (columns: number) => (columns - (cells % columns)) % columns;
  let best = most;
  for (let columns = most - 1; columns >= most / STRETCH; columns--) {
    if (hole(columns) < hole(best)) best = columns;
  }
  return best;
}

/** The pieces of one square, summed up. */
export interface Cell {
  /** The PieceMap entry of most held pieces; without any, an entry in flight, else MISSING. */
  readonly entry: number;
  /** The held part of the square, 0 to 1. */
  readonly held: number;
}

/** Sums up the pieces of one square. */
export function cellAt(map: Uint16Array, grid: PieceGrid, cell: number): Cell {
  const from = cell * grid.perCell;
  const to = Math.min(map.length, from + grid.perCell);
  if (to - from === 1) return { entry: map[from]!, held: PieceMap.isHeld(map[from]!) ? 1 : 0 };
  const counts = new Map<number, number>();
  let inFlight: number = PieceMap.MISSING;
  let held = 0;
  for (let index = from; index < to; index++) {
    const entry = map[index]!;
    if (PieceMap.isHeld(entry)) {
      held++;
      counts.set(entry, (counts.get(entry) ?? 0) + 1);
    } else if (entry !== PieceMap.MISSING) inFlight = entry;
  }
  const most = [...counts].reduce((best, next) => (next[1] > best[1] ? next : best), [inFlight, 0]);
  return { entry: most[0], held: held / (to - from) };
}

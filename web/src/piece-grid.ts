import { PieceMap } from "#core/snapshot.ts";

/** How a map of pieces is laid out: squares in rows, one for each piece or for so many. */
export interface PieceGrid {
  /** Pieces that one square stands for, at least 1. */
  readonly perCell: number;
  readonly cells: number;
  readonly columns: number;
  readonly rows: number;
  /** Side of a square with its gap, CSS pixels. */
  readonly pitch: number;
  readonly gap: number;
  readonly width: number;
  readonly height: number;
}

/** Sides to choose from: as large as fits; below the last one, squares stand for several pieces. */
const PITCHES = [28, 24, 20, 18, 16, 14, 12, 11, 10, 9, 8, 7] as const;
const MAX_HEIGHT = 264;

/** The layout of `pieces` squares in `width` CSS pixels. */
export function gridOf(pieces: number, width: number): PieceGrid {
  const smallest = PITCHES[PITCHES.length - 1]!;
  const pitch = PITCHES.find((side) => rowsOf(pieces, width, side) * side <= MAX_HEIGHT) ?? smallest;
  const columns = columnsOf(width, pitch);
  const room = columns * Math.max(1, Math.floor(MAX_HEIGHT / pitch));
  const perCell = Math.max(1, Math.ceil(pieces / room));
  const cells = Math.ceil(pieces / perCell);
  const rows = Math.ceil(cells / columns);
  const gap = pitch >= 14 ? 2 : 1;
  return {
    perCell,
    cells,
    columns,
    rows,
    pitch,
    gap,
    width: columns * pitch - gap,
    height: rows * pitch - gap,
  };
}

function columnsOf(width: number, pitch: number): number {
  return Math.max(1, Math.floor(width / pitch));
}

function rowsOf(pieces: number, width: number, pitch: number): number {
  return Math.ceil(pieces / columnsOf(width, pitch));
}

/** What one square shows. */
export interface Cell {
  /** The entry of PieceMap that most of its held pieces have; if none is held, one in flight, else MISSING. */
  readonly entry: number;
  /** How much of the square is held, 0 to 1. */
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

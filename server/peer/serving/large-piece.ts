import type { Clock } from "#core/base/clock.ts";

/** A piece longer than this is sent in parts. */
export const LARGE_PIECE_BYTES = 2 << 20;
/** Bytes of a part while the whole piece is in memory, and afterwards. */
const PART_BYTES = 256 << 10;
const WINDOW_BYTES = 1 << 20;
/** The whole piece stays in memory for this long. Most callers have it by then. */
const HOLD_MS = 2_000;

/**
 * The bytes of a piece for one caller. Call `done` when the answer has left: it returns the buffer and the room in
 * the budget, so `bytes` may not be used after it.
 */
export interface Upload {
  readonly bytes: Uint8Array;
  /** Milliseconds that the answer waited for the rate limit, and that reading took. */
  readonly waitMs: number;
  readonly readMs: number;
  readonly done: () => void;
}

/** A large piece on its way to one caller. */
export interface LargePiece {
  /** The piece as it was read first. */
  readonly upload: Upload;
  readonly start: number;
  readonly end: number;
  /** Reads the piece from the disk again, once there is room for it. */
  readonly readAgain: () => Promise<Upload>;
  /** Takes room for a part, as far as there is some. */
  readonly hold: (bytes: number) => () => void;
  readonly clock: Clock;
}

/**
 * The bytes of a large piece from `start` to before `end`, in parts for a caller that takes the next one when the last
 * one has left. For a slow caller the piece leaves the memory after a while, and each part is read again: a few slow
 * callers would fill it, and keep everybody else waiting.
 */
export async function* partsOf(piece: LargePiece): AsyncGenerator<Uint8Array> {
  const { upload, start, end, clock } = piece;
  let isHeld = true;
  const stop = clock.after(HOLD_MS, () => {
    isHeld = false;
    upload.done();
  });
  let release = nothing;
  try {
    for (let at = start; at < end; ) {
      release();
      release = nothing;
      // Copies, because the buffer of the piece is used again while the system still sends from a part.
      const bytes = isHeld
        ? upload.bytes.slice(at, Math.min(end, at + PART_BYTES))
        : await windowAt(piece, at);
      if (!isHeld) release = piece.hold(bytes.length);
      at += bytes.length;
      yield bytes;
    }
  } finally {
    stop();
    upload.done();
    release();
  }
}

async function windowAt({ readAgain, end }: LargePiece, at: number): Promise<Uint8Array> {
  const { bytes, done } = await readAgain();
  const window = bytes.slice(at, Math.min(end, at + WINDOW_BYTES));
  done();
  return window;
}

function nothing(): void {}

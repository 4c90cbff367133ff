/** The part of a requested byte range that lies in one file. */
export interface Segment {
  /** Index into `FileMap.files`. */
  readonly file: number;
  /** Offset in that file, in bytes. */
  readonly position: number;
  /** Offset in the requested range, in bytes. */
  readonly at: number;
  /** Bytes, at least 1. */
  readonly length: number;
}

export interface MappedFile {
  /** Relative to the folder, with "/" between segments; "" for a torrent of one file. */
  readonly path: string;
  /** Bytes. */
  readonly length: number;
}

/**
 * Maps byte offsets of a torrent to files on a disk: the files of a folder one after the other in the torrent's
 * order, or the single file. No other code turns a torrent offset into a file and a position.
 */
export class FileMap {
  readonly files: readonly MappedFile[];
  /** False for a torrent of a single file. */
  readonly isFolder: boolean;
  readonly #starts: Float64Array;

  /** `files` of a folder, or undefined for one file of `length` bytes. */
  constructor(files: readonly MappedFile[] | undefined, length: number) {
    this.isFolder = files !== undefined;
    this.files = files ?? [{ path: "", length }];
    this.#starts = new Float64Array(this.files.length);
    let start = 0;
    this.files.forEach((file, n) => {
      this.#starts[n] = start;
      start += file.length;
    });
  }

  /** The segments that cover `length` bytes from `offset` of the torrent, in order; none for 0 bytes. */
  *segments(offset: number, length: number): Generator<Segment> {
    let at = 0;
    for (let file = this.#fileAt(offset); at < length; file++) {
      const position = offset + at - this.#starts[file]!;
      const run = Math.min(length - at, this.files[file]!.length - position);
      if (run > 0) {
        yield { file, position, at, length: run };
        at += run;
      }
    }
  }

  /** Offset of the file's first byte in the torrent. */
  startOf(file: number): number {
    return this.#starts[file]!;
  }

  /** The last file that starts at or before `offset`. A binary search, because folders may have many files. */
  #fileAt(offset: number): number {
    let low = 0;
    let high = this.files.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#starts[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

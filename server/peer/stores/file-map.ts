/** A run of a piece's bytes that lies in one file. */
export interface Segment {
  /** Which file: index into `FileMap.files`. */
  readonly file: number;
  /** Where in that file, in bytes. */
  readonly position: number;
  /** Where in the run of bytes that was asked for. */
  readonly at: number;
  /** At least 1. */
  readonly length: number;
}

export interface MappedFile {
  /** Relative to the folder, with "/"; "" for a torrent of one file. */
  readonly path: string;
  /** Bytes. */
  readonly length: number;
}

/**
 * Where the bytes of a torrent lie on a disk: the files of a folder, one behind the other in the torrent's order, or
 * the one file. The only place that turns an offset in the whole into a file and a position.
 */
export class FileMap {
  readonly files: readonly MappedFile[];
  /** A folder of files, not a single file. */
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

  /** The files that `length` bytes at `offset` of the whole lie in, in order; none for 0 bytes. */
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

  /** The last file that starts at or before `offset`: by bisection, for folders of many files. */
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

import type { ByteRange } from "#core/content/byte-range.ts";
import { PieceWaits } from "#core/content/piece-waits.ts";
import { pieceAt, readAhead } from "#core/content/read-ahead.ts";
import type { Download } from "#core/download/download.ts";
import type { PieceIndex } from "#core/torrent/piece.ts";
import { browserClock } from "./browser-clock.ts";
import type { OpenStore } from "./open-store.ts";

/** Assumed time that a player takes for one piece: it only orders the pieces of several players. */
const STEP_MS = 100;

/** The readers of one download. */
export class ContentReaders {
  readonly waits = new PieceWaits();
  readonly #places = new Map<object, PieceIndex>();
  readonly #onPlaces: (places: readonly PieceIndex[]) => void;

  constructor(onPlaces: (places: readonly PieceIndex[]) => void) {
    this.#onPlaces = onPlaces;
  }

  /** The reader is at this piece; undefined: it has left. */
  place(reader: object, index: PieceIndex | undefined): void {
    if (this.#places.get(reader) === index) return;
    if (index === undefined) this.#places.delete(reader);
    else this.#places.set(reader, index);
    this.#onPlaces([...this.#places.values()]);
  }
}

export interface ContentStreamParts {
  readonly store: OpenStore;
  readonly download: Download;
  readonly readers: ContentReaders;
}

/** The bytes of a range of the content as a stream. The pieces that it needs next are downloaded first. */
export function contentStream(
  { store, download, readers }: ContentStreamParts,
  range: ByteRange,
): ReadableStream<Uint8Array> {
  const { geometry, held } = store.pieces;
  const gone = new AbortController();
  let at = range.start;
  const leave = () => {
    gone.abort(new DOMException("the reader has left", "AbortError"));
    download.focus(gone, undefined);
    readers.place(gone, undefined);
  };
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (at < range.end) {
          const index = pieceAt(geometry, at);
          readers.place(gone, index);
          const byMs = browserClock.now();
          download.focus(gone, { ...readAhead(geometry, range, index), byMs, stepMs: STEP_MS });
          if (!held.has(index)) await readers.waits.wait(index, gone.signal);
          const offset = geometry.offset(index);
          const end = Math.min(offset + geometry.lengthOf(index), range.end);
          controller.enqueue(await readPart(store, index, at - offset, end - offset));
          at = end;
        }
        if (at < range.end) return;
        leave();
        controller.close();
      },
      cancel: leave,
    },
    { highWaterMark: 0 },
  );
}

/** Bytes of a held piece. A complete download has closed its files, which are then read as a Blob. */
async function readPart(
  { pieces, blob }: OpenStore,
  index: PieceIndex,
  start: number,
  end: number,
): Promise<Uint8Array> {
  if (!pieces.held.complete) {
    const piece = await pieces.read(index).catch((error: unknown) => {
      if (!pieces.held.complete) throw error;
    });
    if (piece) return piece.subarray(start, end);
  }
  const offset = pieces.geometry.offset(index);
  return (await blob(offset + start, offset + end)).bytes();
}

import { sleep } from "#core/base/clock.ts";
import { PiezaError } from "#core/base/errors.ts";
import type { ByteRange } from "#core/content/byte-range.ts";
import { pieceAt } from "#core/content/read-ahead.ts";
import type { PieceIndex } from "#core/torrent/piece.ts";
import { nodeClock } from "../../base/node-clock.ts";
import type { HttpResponse } from "../../http/base/http-types.ts";
import type { Pace } from "../../http/guards/pace.ts";
import type { ServedTorrent } from "../stores/served-torrents.ts";
import type { ContentReader } from "./content-source.ts";
import { LARGE_PIECE_BYTES, type Upload } from "./large-piece.ts";
import { type Offer, onAbort, type Uploads } from "./uploads.ts";

/** Pause before a piece is read again where the server does not say when it has room. */
const RETRY_MS = 250;

/** Codes of a piece that is not here any more. */
const LOST: ReadonlySet<string> = new Set(["not_found", "data_loss"]);
const MAX_TRIES = 5;

export interface ContentBodyParts {
  readonly served: ServedTorrent;
  readonly reader: ContentReader;
  readonly uploads: Uploads;
  /** The address of the caller. */
  readonly address: string;
  /** Aborted when the caller has left. */
  readonly gone: AbortSignal;
  /** Called with the bytes of each part that has left. */
  readonly onSent: (bytes: number) => void;
}

interface ReadPiece {
  readonly offer: Offer;
  readonly upload: Upload;
}

/** The bytes of a range, piece by piece. While one piece leaves, the next one is read. */
export class ContentBody {
  readonly #parts: ContentBodyParts;
  readonly #range: ByteRange;
  #next: Promise<ReadPiece> | undefined;

  constructor(parts: ContentBodyParts, range: ByteRange) {
    this.#parts = parts;
    this.#range = range;
  }

  /** Reads the first piece, so that an error can still be the answer. Fails with PiezaError. */
  async begin(): Promise<void> {
    const { start, end } = this.#range;
    if (start === end) return;
    const first = await this.#read(this.#pieceAt(start));
    this.#next = Promise.resolve(first);
  }

  /** Sends the range. Rejects if a piece cannot be had or the caller leaves. Call it after `begin`. */
  async send(response: HttpResponse, pace: Pace): Promise<void> {
    const { geometry } = this.#parts.served.store;
    const { start, end } = this.#range;
    for (let at = start; at < end; ) {
      const index = this.#pieceAt(at);
      const offset = geometry.offset(index);
      const pieceEnd = Math.min(offset + geometry.lengthOf(index), end);
      const piece = await this.#next!;
      try {
        this.#next = pieceEnd < end ? this.#ahead(this.#pieceAt(pieceEnd)) : undefined;
        for await (const part of this.#partsOf(piece, at - offset, pieceEnd - offset)) {
          pace.sending(part.length);
          await this.#write(response, part);
          pace.sent();
          this.#parts.onSent(part.length);
        }
      } finally {
        piece.upload.done();
      }
      at = pieceEnd;
    }
  }

  /** Gives back what was read ahead. */
  close(): void {
    this.#next?.then(
      ({ upload }) => upload.done(),
      () => {},
    );
    this.#next = undefined;
  }

  #pieceAt(byte: number): PieceIndex {
    return pieceAt(this.#parts.served.store.geometry, byte);
  }

  /** A large piece in parts, so that a slow reader does not keep all of it in memory. */
  async *#partsOf({ offer, upload }: ReadPiece, start: number, end: number): AsyncIterable<Uint8Array> {
    const { uploads, address, gone } = this.#parts;
    if (end - start <= LARGE_PIECE_BYTES) yield upload.bytes.subarray(start, end);
    else yield* uploads.inParts(offer, upload, { address, onGone: onAbort(gone), start, end });
  }

  /** Reads the piece when it can be had. Its failure is told when the reader gets there. */
  #ahead(index: PieceIndex): Promise<ReadPiece> {
    const reading = this.#readWhenRoom(index);
    reading.catch(() => {});
    return reading;
  }

  /** Other callers may fill the server's memory for a while. An answer that has begun waits for its room. */
  async #readWhenRoom(index: PieceIndex): Promise<ReadPiece> {
    for (;;) {
      try {
        return await this.#read(index);
      } catch (error) {
        if (!(error instanceof PiezaError) || error.code !== "resource_exhausted") throw error;
        await sleep(nodeClock, error.retryAfterMs ?? RETRY_MS, this.#parts.gone);
      }
    }
  }

  /** A gateway may evict a piece between the moment in which it is ready and the reading; then it is fetched again. */
  async #read(index: PieceIndex): Promise<ReadPiece> {
    const { served, reader, uploads, address, gone } = this.#parts;
    for (let tries = 1; ; tries++) {
      await reader.ready(index);
      gone.throwIfAborted();
      try {
        const offer = uploads.find(served.torrent.infoHash, index + 1, address);
        return { offer, upload: await uploads.read(offer, address, onAbort(gone)) };
      } catch (error) {
        const isLost = error instanceof PiezaError && LOST.has(error.code);
        if (!isLost || tries === MAX_TRIES) throw error;
      }
    }
  }

  /** Resolves when the system has taken the bytes, which may be reused then. */
  #write(response: HttpResponse, part: Uint8Array): Promise<void> {
    const { gone } = this.#parts;
    return new Promise((resolve, reject) => {
      const onGone = () => reject(gone.reason);
      if (gone.aborted) return onGone();
      gone.addEventListener("abort", onGone, { once: true });
      (response.write as (chunk: Uint8Array, done: (error?: Error | null) => void) => boolean).call(
        response,
        part,
        (error) => {
          gone.removeEventListener("abort", onGone);
          if (error) reject(error);
          else resolve();
        },
      );
    });
  }
}

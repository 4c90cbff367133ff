import { type Clock, sleep } from "#core/base/clock.ts";
import { type ErrorCode, PiezaError } from "#core/base/errors.ts";
import type { RateLimit } from "#core/base/rate-limit.ts";
import { checkHeld } from "#core/ports/store.ts";
import { type PieceGeometry, type PieceIndex, pieceNumber } from "#core/torrent/piece.ts";
import { nodeClock } from "../../base/node-clock.ts";
import type { OnGone } from "../../http/direct/direct.ts";
import { UploadBudget } from "../../http/guards/upload-budget.ts";
import type { ServedTorrent, ServedTorrents } from "../stores/served-torrents.ts";
import { BufferPool } from "../transports/buffer-pool.ts";
import { LARGE_PIECE_BYTES, partsOf, type Upload } from "./large-piece.ts";

/** A piece that this peer holds and can send. */
export interface Offer {
  readonly served: ServedTorrent;
  readonly index: PieceIndex;
  /** 64 lowercase hex digits. */
  readonly hash: string;
  /** Bytes. */
  readonly length: number;
}

/** Bytes of idle buffers: enough for the pieces that a few fast callers have under way. */
const MAX_IDLE_BUFFER_BYTES = 16 << 20;

/** The caller of a piece that is sent in parts, and the part of the piece that it wants. Default: all of it. */
export interface PartsOptions {
  readonly address: string;
  readonly onGone: OnGone;
  readonly start?: number;
  readonly end?: number;
}

/** Room in the budget and a buffer; `done` gives both back, once. */
interface Taken {
  readonly buffer: Uint8Array;
  readonly done: () => void;
}

/** Longest wait of an answer for the rate limit; a caller with a longer wait is refused with a retry hint. */
const MAX_WAIT_MS = 1_000;

/** One request for a piece and its outcome. */
export interface UploadRecord {
  /** "ok", or the error's code. */
  readonly outcome: "ok" | ErrorCode;
  /** Empty if this peer does not serve the torrent of the request. */
  readonly infoHash: string;
  readonly number: number;
  /** Bytes sent; 0 unless "ok". */
  readonly bytes: number;
  readonly address: string;
}

/** Reads pieces for RPC and plain HTTP, within the memory budget and the rate limit, counts them, and drains. */
export class Uploads {
  readonly #torrents: ServedTorrents;
  readonly #budget: UploadBudget;
  /** Large pieces that are whole in memory until their callers have read them. */
  readonly #wholes: UploadBudget;
  readonly #onRequest: (request: UploadRecord) => void;
  readonly #limit: RateLimit | undefined;
  readonly #clock: Clock;
  readonly #buffers = new BufferPool(MAX_IDLE_BUFFER_BYTES);
  #inFlight = 0;
  #draining = false;
  #onIdle: (() => void) | undefined;

  constructor(
    torrents: ServedTorrents,
    budget: UploadBudget,
    onRequest: (request: UploadRecord) => void,
    limit?: RateLimit,
    clock: Clock = nodeClock,
  ) {
    this.#torrents = torrents;
    this.#budget = budget;
    this.#wholes = new UploadBudget(budget.limitBytes / 4);
    this.#onRequest = onRequest;
    this.#limit = limit;
    this.#clock = clock;
  }

  /**
   * Finds the piece that a request names. Throws InvalidField (malformed info hash), or PiezaError with not_found
   * (torrent not served or piece not held), out_of_range (no such number) or unavailable (draining).
   */
  find(infoHash: string, number: number, address: string): Offer {
    try {
      return this.#find(infoHash, number);
    } catch (error) {
      const known = this.#torrents.get(infoHash) !== undefined;
      this.#report({ infoHash: known ? infoHash : "", number, address }, error);
      throw error;
    }
  }

  /**
   * Reads and counts the piece, after the wait that the rate limit asks for, at most a second. Throws PiezaError with
   * resource_exhausted (over the budget or far over the rate), data_loss (damaged on disk), not_found (no longer
   * held) or unavailable (draining, or the caller left while it waited).
   */
  async read(offer: Offer, address: string, onGone: OnGone = () => {}): Promise<Upload> {
    const { served, index } = offer;
    const request = { infoHash: served.torrent.infoHash, number: pieceNumber(index), address };
    let done = () => {};
    try {
      const waitMs = this.#limit ? await this.#waitForTurn(this.#limit, offer.length, onGone) : 0;
      const taken = this.#begin(address, offer.length);
      done = taken.done;
      const startedMs = this.#clock.now();
      const bytes = await served.store.read(index, taken.buffer);
      count(served, index, bytes.length);
      this.#onRequest({ ...request, outcome: "ok", bytes: bytes.length });
      return { bytes, done, waitMs, readMs: this.#clock.now() - startedMs };
    } catch (error) {
      done();
      this.#report(request, error);
      throw error;
    }
  }

  /**
   * Like `read`, for an answer that has to be whole in memory. Large pieces take at most a quarter of the budget so,
   * however slowly their callers read: any plain call gets them in parts.
   */
  async readWhole(offer: Offer, address: string, onGone: OnGone): Promise<Upload> {
    if (offer.length <= LARGE_PIECE_BYTES) return this.read(offer, address, onGone);
    const giveBack = this.#wholes.take(address, offer.length);
    try {
      const upload = await this.read(offer, address, onGone);
      const done = () => {
        giveBack();
        upload.done();
      };
      return { ...upload, done };
    } catch (error) {
      giveBack();
      throw error;
    }
  }

  /**
   * The bytes of a large piece that `read` has read, from `start` to before `end`, in parts. It frees the upload's
   * memory soon, whoever reads how slowly. See partsOf.
   */
  inParts(
    { served, index, length }: Offer,
    upload: Upload,
    { address, onGone, start = 0, end = length }: PartsOptions,
  ): AsyncGenerator<Uint8Array> {
    const gone = signalOf(onGone);
    const readAgain = async () => {
      const { buffer, done } = await this.#beginLater(address, length, gone);
      try {
        return { ...upload, bytes: await served.store.read(index, buffer), done };
      } catch (error) {
        done();
        throw error;
      }
    };
    const hold = (bytes: number) => this.#budget.takeIfFree(address, bytes);
    return partsOf({ upload, start, end, readAgain, hold, clock: this.#clock });
  }

  /** Refuses new requests from now on. Resolves when the answers under way have left. */
  drain(): Promise<void> {
    this.#draining = true;
    if (this.#inFlight === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onIdle = resolve;
    });
  }

  #find(infoHash: string, number: number): Offer {
    if (this.#draining) throw new PiezaError("unavailable", "this peer is shutting down");
    const served = this.#torrents.find(infoHash);
    const { geometry, held } = served.store;
    const index = indexOfNumber(geometry, number);
    checkHeld(held, index);
    return { served, index, hash: served.torrent.pieces[index]!, length: geometry.lengthOf(index) };
  }

  /**
   * Waits until the limit has room for the answer and resolves to the wait in milliseconds. An answer that needs more
   * than MAX_WAIT_MS by itself leaves after that, and those after it wait for the rest. A caller that leaves while it
   * waits gives its bytes back to the limit.
   */
  async #waitForTurn(limit: RateLimit, bytes: number, onGone: OnGone): Promise<number> {
    const endMs = limit.waitMs(bytes);
    const aheadMs = endMs - (bytes * 1000) / limit.bytesPerSecond;
    if (aheadMs > MAX_WAIT_MS) {
      const retryAfterMs = Math.ceil(aheadMs - MAX_WAIT_MS / 2);
      throw new PiezaError("resource_exhausted", "this peer's upload limit is reached", { retryAfterMs });
    }
    limit.book(bytes);
    const waitMs = Math.max(0, Math.min(endMs, MAX_WAIT_MS));
    if (waitMs > 0) {
      await sleep(this.#clock, waitMs, signalOf(onGone)).catch((gone) => {
        limit.giveBack(bytes);
        throw gone;
      });
    }
    if (this.#draining) throw new PiezaError("unavailable", "this peer is shutting down");
    return waitMs;
  }

  /** Takes room in the budget and a buffer for an answer; the first call of `done` gives both back. */
  #begin(address: string, bytes: number): Taken {
    const release = this.#budget.take(address, bytes);
    const buffer = this.#buffers.take(bytes);
    this.#inFlight++;
    let open = true;
    const done = () => {
      if (!open) return;
      open = false;
      this.#buffers.give(buffer);
      release();
      if (--this.#inFlight === 0) this.#onIdle?.();
    };
    return { buffer, done };
  }

  /** Like #begin, and waits for room. Fails when the caller has left. */
  async #beginLater(address: string, bytes: number, gone: AbortSignal): Promise<Taken> {
    for (;;) {
      gone.throwIfAborted();
      try {
        return this.#begin(address, bytes);
      } catch (error) {
        if (!(error instanceof PiezaError && error.retryAfterMs)) throw error;
        await sleep(this.#clock, error.retryAfterMs, gone);
      }
    }
  }

  #report(request: Omit<UploadRecord, "outcome" | "bytes">, error: unknown): void {
    this.#onRequest({ ...request, outcome: error instanceof PiezaError ? error.code : "internal", bytes: 0 });
  }
}

/** Tells that a caller has left by the abort of its call's signal. */
export function onAbort(signal: AbortSignal): OnGone {
  return (fn) => signal.addEventListener("abort", fn, { once: true });
}

/** Throws out_of_range for a number that the torrent does not have. */
export function indexOfNumber(geometry: PieceGeometry, number: number): PieceIndex {
  const index = geometry.indexOfNumber(number);
  if (index !== undefined) return index;
  throw new PiezaError("out_of_range", `there is no piece ${number}, only 1 to ${geometry.count}`);
}

function signalOf(onGone: OnGone): AbortSignal {
  const gone = new AbortController();
  onGone(() => gone.abort(new PiezaError("unavailable", "the caller has left")));
  return gone.signal;
}

function count({ counts }: ServedTorrent, index: PieceIndex, bytes: number): void {
  const before = counts.get(index) ?? { requests: 0, bytes: 0 };
  counts.set(index, { requests: before.requests + 1, bytes: before.bytes + bytes });
}

import { type Clock, sleep } from "#core/base/clock.ts";
import { type ErrorCode, PiezaError } from "#core/base/errors.ts";
import type { RateLimit } from "#core/base/rate-limit.ts";
import { checkHeld } from "#core/ports/store.ts";
import { type PieceIndex, pieceNumber } from "#core/torrent/piece.ts";
import { nodeClock } from "../../base/node-clock.ts";
import type { OnGone } from "../../http/direct/direct.ts";
import type { UploadBudget } from "../../http/guards/upload-budget.ts";
import type { ServedTorrent, ServedTorrents } from "../stores/served-torrents.ts";
import { BufferPool } from "../transports/buffer-pool.ts";

/** A piece that this peer can give: it exists and is held. */
export interface Offer {
  readonly served: ServedTorrent;
  readonly index: PieceIndex;
  /** 64 lowercase hex digits. */
  readonly hash: string;
  /** Bytes. */
  readonly length: number;
}

/** Buffers kept for the next pieces: what a few fast callers have under way. */
const MAX_IDLE_BUFFER_BYTES = 16 << 20;

/**
 * A piece's bytes on their way to somebody. `done` gives back what they took, the buffer among it: call it when the
 * answer has left, and do not touch `bytes` after.
 */
export interface Upload {
  readonly bytes: Uint8Array;
  /** What the answer waited for the rate limit, and what reading took. */
  readonly waitMs: number;
  readonly readMs: number;
  readonly done: () => void;
}

/** How long an answer over the rate waits at most; who would wait longer is told to come back then. */
const MAX_WAIT_MS = 1_000;

/** One request for a piece and what became of it: "ok" or the error's code. */
export interface PieceRequest {
  readonly outcome: "ok" | ErrorCode;
  /** Empty if the request named no torrent of ours. */
  readonly infoHash: string;
  readonly number: number;
  /** Bytes given out; 0 unless "ok". */
  readonly bytes: number;
  readonly address: string;
}

/** Gives out pieces, by RPC and by plain HTTP alike: looks them up, bounds what is in flight, counts, and drains. */
export class Uploads {
  readonly #torrents: ServedTorrents;
  readonly #budget: UploadBudget;
  readonly #onRequest: (request: PieceRequest) => void;
  readonly #limit: RateLimit | undefined;
  readonly #clock: Clock;
  readonly #buffers = new BufferPool(MAX_IDLE_BUFFER_BYTES);
  #inFlight = 0;
  #draining = false;
  #onIdle: (() => void) | undefined;

  constructor(
    torrents: ServedTorrents,
    budget: UploadBudget,
    onRequest: (request: PieceRequest) => void,
    limit?: RateLimit,
    clock: Clock = nodeClock,
  ) {
    this.#torrents = torrents;
    this.#budget = budget;
    this.#onRequest = onRequest;
    this.#limit = limit;
    this.#clock = clock;
  }

  /**
   * Looks up what a request names. Throws InvalidField (no info hash), PiezaError with not_found (a torrent or piece
   * that is not here), out_of_range (no such number) or unavailable (draining).
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
   * Reads what was found and counts it, after the short wait that the rate limit may ask for. Throws PiezaError with
   * resource_exhausted (over the budget or far over the rate), data_loss (rotten), not_found (gone meanwhile) or
   * unavailable (draining, or the caller went while it waited).
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

  /** Refuses new requests from now on. Resolves when those under way have left. */
  drain(): Promise<void> {
    this.#draining = true;
    if (this.#inFlight === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onIdle = resolve;
    });
  }

  #find(infoHash: string, number: number): Offer {
    if (this.#draining) throw new PiezaError("unavailable", "this peer is leaving");
    const served = this.#torrents.find(infoHash);
    const { geometry, held } = served.store;
    const index = geometry.indexOfNumber(number);
    if (index === undefined) {
      throw new PiezaError("out_of_range", `there is no piece ${number}, only 1 to ${geometry.count}`);
    }
    checkHeld(held, index);
    return { served, index, hash: served.torrent.pieces[index]!, length: geometry.lengthOf(index) };
  }

  /**
   * An answer leaves when its bytes have had their time at the rate. One that alone takes longer than MAX_WAIT_MS leaves
   * then, and those that follow wait for it. A caller that goes meanwhile leaves its time to others. Resolves with the
   * wait.
   */
  async #waitForTurn(limit: RateLimit, bytes: number, onGone: OnGone): Promise<number> {
    const endMs = limit.waitMs(bytes);
    const aheadMs = endMs - (bytes * 1000) / limit.bytesPerSecond;
    if (aheadMs > MAX_WAIT_MS) {
      const retryAfterMs = Math.ceil(aheadMs - MAX_WAIT_MS / 2);
      throw new PiezaError("resource_exhausted", "this peer gives out as much as its limit allows", {
        retryAfterMs,
      });
    }
    limit.book(bytes);
    const waitMs = Math.max(0, Math.min(endMs, MAX_WAIT_MS));
    if (waitMs > 0) {
      await sleep(this.#clock, waitMs, signalOf(onGone)).catch((gone) => {
        limit.giveBack(bytes);
        throw gone;
      });
    }
    if (this.#draining) throw new PiezaError("unavailable", "this peer is leaving");
    return waitMs;
  }

  /** Takes room for an answer; `done` gives it back, once. */
  #begin(address: string, bytes: number): { buffer: Uint8Array; done: () => void } {
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

  #report(request: Omit<PieceRequest, "outcome" | "bytes">, error: unknown): void {
    this.#onRequest({ ...request, outcome: error instanceof PiezaError ? error.code : "internal", bytes: 0 });
  }
}

/** For callers that a signal tells of. */
export function onAbort(signal: AbortSignal): OnGone {
  return (fn) => signal.addEventListener("abort", fn, { once: true });
}

function signalOf(onGone: OnGone): AbortSignal {
  const gone = new AbortController();
  onGone(() => gone.abort(new PiezaError("unavailable", "the caller is gone")));
  return gone.signal;
}

function count({ counts }: ServedTorrent, index: PieceIndex, bytes: number): void {
  const before = counts.get(index) ?? { requests: 0, bytes: 0 };
  counts.set(index, { requests: before.requests + 1, bytes: before.bytes + bytes });
}

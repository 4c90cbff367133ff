import { Bitfield } from "#core/base/bitfield.ts";
import type { Clock } from "#core/base/clock.ts";
import { sleep } from "#core/base/clock.ts";
import { PeerFailed } from "#core/base/errors.ts";
import type { PieceSink, RemotePeer } from "#core/ports/peer.ts";
import type { PieceGeometry, PieceIndex } from "#core/torrent/piece.ts";

export interface FakePeerOptions {
  url: string;
  clock: Clock;
  geometry: PieceGeometry;
  bytes: Uint8Array;
  /** Indices held; all by default. */
  has?: Iterable<number>;
  /** Bytes per second, shared by its requests. Default unlimited. */
  rate?: number;
  /** Before the first byte of every answer. Default 1 ms. */
  latencyMs?: number;
}

/** A peer that does as told: serves what it has at a pace, lies, stalls or vanishes. Counts what it was asked. */
export class FakePeer implements RemotePeer {
  readonly url: string;
  readonly transport = "fake";
  readonly has: Bitfield;
  /** Indices asked for, in order. */
  readonly asked: number[] = [];
  /** Indices whose requests were aborted by the downloader. */
  readonly aborted: number[] = [];
  inFlight = 0;
  maxInFlight = 0;
  bitfieldCalls = 0;
  closed = false;
  /** Set to serve this many bytes per second from now on. */
  rate: number;
  readonly #options: FakePeerOptions;
  readonly #wrong = new Map<number, (piece: Uint8Array) => Uint8Array>();
  readonly #lacks = new Map<number, PeerFailed>();
  readonly #stalled = new Set<number>();
  #gone: PeerFailed | undefined;
  #death = new AbortController();
  #freeAt = 0;

  constructor(options: FakePeerOptions) {
    this.#options = options;
    this.url = options.url;
    this.rate = options.rate ?? Number.POSITIVE_INFINITY;
    const { count } = options.geometry;
    this.has = options.has ? Bitfield.of(count, options.has) : Bitfield.full(count);
  }

  /** Sends `change(piece)` for this piece. */
  corrupt(
    index: number,
    change: (piece: Uint8Array) => Uint8Array = (piece) => piece.map((byte) => byte ^ 1),
  ): void {
    this.#wrong.set(index, change);
  }

  /** Says that it has the piece and, asked for it, that it has not. */
  lacks(index: number, code: "not_found" | "data_loss" = "not_found"): void {
    this.#lacks.set(index, new PeerFailed(code, `piece ${index + 1} is not here`));
  }

  /** Gives every piece that it has, from now on. */
  mend(): void {
    this.#lacks.clear();
  }

  /** Never answers for this piece. */
  stallAt(index: number): void {
    this.#stalled.add(index);
  }

  /** Dies: what is under way fails, and so does everything asked later, until `comeBack`. */
  vanish(error = new PeerFailed("unavailable", "connection refused")): void {
    this.#gone = error;
    this.#death.abort(error);
  }

  comeBack(): void {
    this.#gone = undefined;
    this.#death = new AbortController();
  }

  async getBitfield(signal: AbortSignal): Promise<Bitfield> {
    this.bitfieldCalls++;
    await this.#pause(this.#options.latencyMs ?? 1, signal);
    return this.has.clone();
  }

  async getPiece(index: PieceIndex, sink: PieceSink, signal: AbortSignal): Promise<void> {
    this.asked.push(index);
    this.maxInFlight = Math.max(this.maxInFlight, ++this.inFlight);
    try {
      const { geometry, bytes, clock } = this.#options;
      const piece = bytes.slice(geometry.offset(index), geometry.offset(index) + geometry.lengthOf(index));
      const startMs = Math.max(this.#freeAt, clock.now());
      this.#freeAt = startMs + (piece.length * 1000) / this.rate;
      await this.#pause((this.#options.latencyMs ?? 1) + this.#freeAt - clock.now(), signal);
      if (this.#stalled.has(index)) await this.#pause(3_600_000, signal);
      const lack = this.#lacks.get(index);
      if (lack) throw lack;
      if (!this.has.has(index)) throw new PeerFailed("not_found", `piece ${index + 1} is not here`);
      await sink.write((this.#wrong.get(index) ?? ((same) => same))(piece));
    } catch (error) {
      if (signal.aborted) this.aborted.push(index);
      throw error;
    } finally {
      this.inFlight--;
    }
  }

  close(): void {
    this.closed = true;
  }

  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    if (this.#gone) throw this.#gone;
    await sleep(this.#options.clock, ms, AbortSignal.any([signal, this.#death.signal]));
    if (this.#gone) throw this.#gone;
  }
}

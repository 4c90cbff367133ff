import type { Bitfield } from "../base/bitfield.ts";
import { messageOf, troubleOf } from "../base/errors.ts";
import { PeerPace, RateMeter } from "../base/meter.ts";
import type { RemotePeer } from "../ports/peer.ts";
import type { PieceIndex } from "../torrent/piece.ts";
import type { PieceSource } from "./learned-pieces.ts";
import type { PieceReceiver } from "./receiver.ts";
import type { PeerSnapshot } from "./snapshot.ts";

/** One request for one piece at one peer. */
export interface PieceRequest {
  readonly peer: DownloadPeer;
  readonly index: PieceIndex;
  readonly receiver: PieceReceiver;
  /** Aborted with a CancelledRequest when the piece is not needed from this peer any more. */
  readonly abort: AbortController;
  readonly startedMs: number;
}

/** Why our own side ended a request. */
export class CancelledRequest extends Error {}

/** Failed; usable again at `untilMs`, or already at `soonMs` if nobody gives anything then. */
interface Pause {
  readonly kind: "backing off";
  readonly untilMs: number;
  readonly soonMs: number | undefined;
  readonly because: unknown;
}

/** When it is over; `idle` is whether nobody gives anything. */
export function pauseEndMs({ untilMs, soonMs = untilMs }: Pause, idle: boolean): number {
  return idle ? Math.min(untilMs, soonMs) : untilMs;
}

/**
 * How a peer stands. `usable` is asked for pieces; "idle", "active" and "connecting" are not states but follow from
 * what it has and what is under way.
 */
type Standing =
  | { readonly kind: "usable" }
  | Pause
  /** Sent what was not the piece. Final. */
  | { readonly kind: "banned"; readonly because: unknown }
  /** Cannot be used from here. Final. */
  | { readonly kind: "skipped"; readonly because: unknown };

/** One peer of one download: its standing, its measures and its requests. Changed by the download alone. */
export class DownloadPeer {
  readonly slot: number;
  readonly url: string;
  /** A legacy peer: what it has is the tracker's to say, for it cannot be asked. */
  readonly legacy: boolean;
  /** Undefined if it could not be connected to at all; then it is skipped. */
  readonly remote: RemotePeer | undefined;
  readonly pace = new PeerPace();
  readonly requests = new Map<PieceIndex, PieceRequest>();
  standing: Standing = { kind: "usable" };
  /** What it says it has, by its own word or the tracker's. */
  has: Bitfield | undefined;
  /** It has answered us itself: the tracker's older word counts no more. */
  spoke = false;
  /** It lacked a piece that it should have: ask it again what it has, even if it said everything. */
  doubted = false;
  servedPieces = 0;
  servedBytes = 0;
  /** Failures in a row. */
  failures = 0;
  /** When its bitfield is to be asked for again. */
  nextPollMs = 0;
  /** The pause before that. */
  pollMs = 0;
  polling = false;
  /** Pieces that it said it does not have after all, and until when to believe that. */
  readonly lacks = new Map<PieceIndex, number>();
  readonly #meter: RateMeter;

  constructor(options: {
    slot: number;
    url: string;
    legacy: boolean;
    remote: RemotePeer | undefined;
    now: number;
  }) {
    this.slot = options.slot;
    this.url = options.url;
    this.legacy = options.legacy;
    this.remote = options.remote;
    this.#meter = new RateMeter(options.now);
  }

  get usable(): boolean {
    return this.standing.kind === "usable";
  }

  /** It has given a piece that was right: what it says of others is worth something. */
  get proven(): boolean {
    return this.servedPieces > 0;
  }

  /** It says that it has the piece, and has not said of that very piece that it is not there. */
  gives(index: PieceIndex): boolean {
    return this.has?.has(index) === true && !this.lacks.has(index);
  }

  /** One of the pieces that it says it has although it has just said, asked for it, that it is not there. */
  deniedOf(has: Bitfield, now: number): PieceIndex | undefined {
    for (const [index, untilMs] of this.lacks) if (untilMs > now && has.has(index)) return index;
    return undefined;
  }

  get inFlight(): number {
    return this.requests.size;
  }

  onRequested(request: PieceRequest): void {
    this.requests.set(request.index, request);
    this.pace.onRequested(request.startedMs);
  }

  /** `bytes` of a verified piece, or 0. */
  onEnded(request: PieceRequest, now: number, bytes: number): void {
    this.requests.delete(request.index);
    this.pace.onEnded(now, bytes, now - request.startedMs);
    if (bytes > 0) this.#onServed(now, bytes);
  }

  /** It gave a piece before the download began. */
  onLearned({ askedAtMs, endedAtMs }: PieceSource, bytes: number): void {
    this.pace.onRequested(askedAtMs);
    this.pace.onEnded(endedAtMs, bytes, endedAtMs - askedAtMs);
    this.#onServed(endedAtMs, bytes);
  }

  #onServed(now: number, bytes: number): void {
    this.#meter.add(now, bytes);
    this.failures = 0;
    this.servedPieces++;
    this.servedBytes += bytes;
  }

  /** It may be asked again for a piece that it lacked: those that it lacked first are first. */
  mayHaveAgain(now: number): boolean {
    const [untilMs = Number.POSITIVE_INFINITY] = this.lacks.values();
    return untilMs <= now;
  }

  /** The pieces to ask it for: what it says it has, without those that it turned out to lack. */
  offers(now: number): Bitfield | undefined {
    if (!this.has || this.lacks.size === 0) return this.has;
    const offers = this.has.clone();
    for (const [index, untilMs] of this.lacks) {
      if (untilMs <= now) this.lacks.delete(index);
      else offers.clear(index);
    }
    return offers;
  }

  snapshot(now: number): PeerSnapshot {
    const { standing } = this;
    const { kind } = standing;
    const connected = this.inFlight > 0 ? "active" : this.has ? "idle" : "connecting";
    return {
      slot: this.slot,
      url: this.url,
      transport: this.remote?.transport ?? "",
      state: kind === "usable" ? connected : kind,
      reason: standing.kind === "usable" ? "" : messageOf(standing.because),
      trouble: standing.kind === "usable" ? undefined : troubleOf(standing.because),
      hasPieces: this.has?.count ?? 0,
      servedPieces: this.servedPieces,
      servedBytes: this.servedBytes,
      inFlight: this.inFlight,
      rate: this.#meter.rate(now),
    };
  }
}

import type { Bitfield } from "../base/bitfield.ts";
import { messageOf, troubleOf } from "../base/errors.ts";
import { PeerPace, type Progress, RateMeter } from "../base/meter.ts";
import type { RemotePeer } from "../ports/peer.ts";
import type { PieceIndex } from "../torrent/piece.ts";
import type { PieceSource } from "./learned-pieces.ts";
import type { PieceReceiver } from "./receiver.ts";
import type { PeerSnapshot } from "./snapshot.ts";

/** How long a peer that never gave a piece counts as slow; doubled each time, up to the longest. */
const MIN_FORGET_MS = 30_000;
const MAX_FORGET_MS = 600_000;

/** One request for one piece at one peer. */
export interface PieceRequest {
  readonly peer: DownloadPeer;
  readonly index: PieceIndex;
  readonly receiver: PieceReceiver;
  /** Aborted with a CancelledRequest when the piece is no longer needed from this peer. */
  readonly abort: AbortController;
  readonly startedMs: number;
  readonly progress: Progress;
}

/** How a request ended without its piece: the peer failed, or it was not waited for any longer. */
export type EndedWithout = "failed" | "given up";

/** The reason of a request that our own side ended. */
export class CancelledRequest extends Error {}

/** The peer failed. It is usable again at `untilMs`, or at `soonMs` if no peer gives anything then. */
interface Pause {
  readonly kind: "backing off";
  readonly untilMs: number;
  readonly soonMs: number | undefined;
  readonly because: unknown;
}

/** The end of a pause; `idle`: no peer gives anything. */
export function pauseEndMs({ untilMs, soonMs = untilMs }: Pause, idle: boolean): number {
  return idle ? Math.min(untilMs, soonMs) : untilMs;
}

/** A peer's standing. "idle", "active" and "connecting" are none: they follow from its pieces and requests. */
type Standing =
  | { readonly kind: "usable" }
  | Pause
  /** The peer sent bytes that were not the piece. Final. */
  | { readonly kind: "banned"; readonly because: unknown }
  /** The peer cannot be used from here. Final. */
  | { readonly kind: "skipped"; readonly because: unknown };

/** One peer of a download: its standing, its measures and its requests. Only the download changes it. */
export class DownloadPeer {
  readonly slot: number;
  readonly url: string;
  /** A legacy peer cannot be asked for its bitfield: only the tracker knows its pieces. */
  readonly legacy: boolean;
  /** Undefined if no client could be made; then the peer is skipped. */
  readonly remote: RemotePeer | undefined;
  readonly pace = new PeerPace();
  readonly requests = new Map<PieceIndex, PieceRequest>();
  standing: Standing = { kind: "usable" };
  /** The peer's pieces, by its own word or the tracker's. */
  has: Bitfield | undefined;
  /** The peer has told its pieces itself, so the tracker's older word does not count any more. */
  spoke = false;
  /** The peer lacked a piece that it should have. It is asked again for its bitfield, even if that was complete. */
  doubted = false;
  servedPieces = 0;
  servedBytes = 0;
  /** Failures in a row. */
  failures = 0;
  /** When to ask for the bitfield again. */
  nextPollMs = 0;
  /** The pause before `nextPollMs`. */
  pollMs = 0;
  polling = false;
  /** Pieces that the peer turned out to lack, and until when to believe that. */
  readonly lacks = new Map<PieceIndex, number>();
  readonly #meter: RateMeter;
  /** Requests at it that were given up while it had not given a piece. */
  #givenUp = 0;
  #forgetAtMs = 0;
  #endedBytes = 0;

  constructor(slot: number, url: string, legacy: boolean, remote: RemotePeer | undefined, now: number) {
    this.slot = slot;
    this.url = url;
    this.legacy = legacy;
    this.remote = remote;
    this.#meter = new RateMeter(now);
  }

  get usable(): boolean {
    return this.standing.kind === "usable";
  }

  /** The peer has been asked for its bitfield and has never answered. */
  get connecting(): boolean {
    return this.usable && this.polling && !this.spoke;
  }

  /** The peer has given a right piece, so its word on other pieces is worth something. */
  get proven(): boolean {
    return this.servedPieces > 0;
  }

  /** The peer has the piece by its word, and did not lack it when asked. */
  gives(index: PieceIndex): boolean {
    return this.has?.has(index) === true && !this.lacks.has(index);
  }

  /** A piece that the peer says it has, although it has just lacked it when asked. */
  deniedOf(has: Bitfield, now: number): PieceIndex | undefined {
    for (const [index, untilMs] of this.lacks) if (untilMs > now && has.has(index)) return index;
    return undefined;
  }

  /** All bytes that it has sent, for nothing or not. */
  get arrivedBytes(): number {
    let bytes = this.#endedBytes;
    for (const { receiver } of this.requests.values()) bytes += receiver.arrivedBytes;
    return bytes;
  }

  get inFlight(): number {
    return this.requests.size;
  }

  /** The peer is asked, and has not failed or been given up as slow since its last piece. */
  get promising(): boolean {
    return this.inFlight > 0 && this.failures === 0 && (this.proven || this.pace.rate === undefined);
  }

  onRequested(request: PieceRequest): void {
    this.requests.set(request.index, request);
    this.pace.onRequested(request.startedMs);
  }

  /** The request brought a right piece of `bytes`. */
  onServed({ index, startedMs }: PieceRequest, now: number, bytes: number): void {
    this.requests.delete(index);
    this.#endedBytes += bytes;
    this.pace.onServed(now, bytes, now - startedMs);
    this.#onServed(now, bytes);
  }

  onEndedWithout({ index, startedMs, receiver }: PieceRequest, now: number, how: EndedWithout): void {
    this.requests.delete(index);
    this.#endedBytes += receiver.arrivedBytes;
    if (how === "failed") this.pace.onFailed(now);
    else this.pace.onGivenUp(now, receiver.arrivedBytes, now - startedMs);
    if (how === "failed" || this.pace.rate === undefined) return;
    this.#forgetAtMs = now + Math.min(MAX_FORGET_MS, MIN_FORGET_MS * 2 ** this.#givenUp++);
  }

  /** A peer that never gave a piece may have been measured in a bad moment. It gets a new chance now and then. */
  forgetOldPace(now: number): void {
    if (!this.proven && this.inFlight === 0 && this.#forgetAtMs <= now) this.pace.forget();
  }

  /** The peer gave a piece before the download began. */
  onLearned({ askedAtMs, endedAtMs }: PieceSource, bytes: number): void {
    this.pace.onRequested(askedAtMs);
    this.pace.onServed(endedAtMs, bytes, endedAtMs - askedAtMs);
    this.#onServed(endedAtMs, bytes);
  }

  #onServed(now: number, bytes: number): void {
    this.#meter.add(now, bytes);
    this.failures = 0;
    this.servedPieces++;
    this.servedBytes += bytes;
  }

  /** Whether a piece that the peer lacked may be requested again. The first in `lacks` is the oldest. */
  mayHaveAgain(now: number): boolean {
    const [untilMs = Number.POSITIVE_INFINITY] = this.lacks.values();
    return untilMs <= now;
  }

  /** The pieces to request: those that the peer has by its word, without those that it lacked when asked. */
  offers(now: number): Bitfield | undefined {
    if (!this.has || this.lacks.size === 0) return this.has;
    const offers = this.has.clone();
    for (const [index, untilMs] of this.lacks) {
      if (untilMs <= now) this.lacks.delete(index);
      else offers.clear(index);
    }
    return offers;
  }

  /** The peer has asked for its pause: it is there, and busy. */
  get busy(): boolean {
    const { standing } = this;
    return standing.kind === "backing off" && troubleOf(standing.because) === "resource_exhausted";
  }

  /** `heldBack`: the download could make a request and does not, because of a limit of its own. */
  snapshot(now: number, heldBack = false): PeerSnapshot {
    const { standing } = this;
    const { kind } = standing;
    const isActive = this.inFlight > 0 || (heldBack && this.proven);
    const connected = isActive ? "active" : this.has ? "idle" : "connecting";
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

import type { Clock } from "../base/clock.ts";
import { messageOf, PeerFailed, PiezaError, type Trouble, troubleOf } from "../base/errors.ts";
import type { UploadPeer } from "../ports/upload-peer.ts";
import type { PieceGeometry, PieceIndex } from "../torrent/piece.ts";
import { UploadPlan } from "./upload-plan.ts";

/** Over HTTP/1.1 a browser has six connections to a peer, and a download may want some. */
const MAX_IN_FLIGHT_PER_PEER = 3;
/** Bytes read and not yet stored, over all peers; at least one piece is always allowed. */
const MAX_IN_FLIGHT_BYTES = 32 << 20;
/** A peer that fails so often in a row is given up; the pause before each try doubles. */
const MAX_FAILURES = 4;
const FIRST_PAUSE_MS = 500;
/** So long everybody's first answer is waited for: what a peer has already need not be sent to another. */
const FIRST_ANSWERS_MS = 2_000;
/** What says that a peer will not take this however often it is asked. What it has, it has. */
const REFUSALS: ReadonlySet<string> = new Set([
  "failed_precondition",
  "unimplemented",
  "unauthenticated",
  "permission_denied",
  "not_found",
  "out_of_range",
]);

export interface UploadInput {
  readonly geometry: PieceGeometry;
  /** At least one. Closed at the end. */
  readonly peers: readonly UploadPeer[];
  /** The bytes of a piece. What it throws ends the upload. */
  read(index: PieceIndex): Promise<Uint8Array>;
  readonly clock: Clock;
  /** Called after each change. */
  readonly onProgress?: (progress: UploadProgress) => void;
}

export interface UploadProgress {
  /** Pieces of which at least one peer has a copy. */
  readonly storedPieces: number;
  readonly peers: readonly UploadPeerProgress[];
}

export interface UploadPeerProgress {
  readonly url: string;
  readonly state: UploadPeerState;
  /** In words; empty while all is well. */
  readonly reason: string;
  /** What it comes down to; undefined where `reason` is empty. */
  readonly trouble: Trouble | undefined;
  /** Pieces sent to it in this upload. */
  readonly sentPieces: number;
}

export type UploadPeerState =
  /** Asked what it has. */
  | "asking"
  | "storing"
  /** Failed, or had no room for a moment; asked again after a pause. */
  | "pausing"
  /** Takes nothing more; what it has counts. */
  | "refusing"
  /** Does not answer: what it has does not count. */
  | "gone";

interface Target {
  readonly slot: number;
  readonly remote: UploadPeer;
  state: UploadPeerState;
  failure: unknown;
  sentPieces: number;
  inFlight: number;
  failures: number;
  /** What it has is in the plan. */
  known: boolean;
}

/**
 * Stores the pieces of a file at peers that take uploads, two copies of each where there are peers enough. Resolves when
 * there is nothing left to send and somebody has each piece; what peers had before is not sent. Fails with what `read`
 * threw, with the signal's reason, with invalid_argument if the bytes are not the torrent's, and with unavailable if
 * pieces are left that nobody takes; its message says why.
 */
export async function uploadPieces(input: UploadInput, signal: AbortSignal): Promise<void> {
  const upload = new Upload(input);
  const onAbort = () => upload.end(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    if (signal.aborted) onAbort();
    else upload.start();
    await upload.whenDone;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** The owner of an upload's state: workers await and then call a method here, which handles it synchronously. */
class Upload {
  readonly whenDone: Promise<void>;
  readonly #input: UploadInput;
  readonly #plan: UploadPlan;
  readonly #targets: readonly Target[];
  readonly #stop = new AbortController();
  readonly #cancels = new Set<() => void>();
  #settle: { resolve(): void; reject(error: unknown): void };
  #inFlightBytes = 0;
  #begun = false;

  constructor(input: UploadInput) {
    this.#input = input;
    this.#plan = new UploadPlan(input.geometry.count, input.peers.length);
    this.#targets = input.peers.map((remote, slot) => {
      const fresh = { failure: undefined, sentPieces: 0, inFlight: 0, failures: 0, known: false };
      return { slot, remote, state: "asking", ...fresh };
    });
    const { promise, ...settle } = Promise.withResolvers<void>();
    this.whenDone = promise;
    this.#settle = settle;
  }

  start(): void {
    const firstAnswers = this.#targets.map((target) => this.#ask(target));
    void Promise.allSettled(firstAnswers).then(() => this.#begin());
    this.#after(FIRST_ANSWERS_MS, () => this.#begin());
  }

  /** From now on pieces are sent. */
  #begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    this.#advance();
  }

  /** Ends it; `error` undefined: well. Does nothing the second time. */
  end(error?: unknown): void {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort(error ?? new Error("the upload has ended"));
    for (const cancel of this.#cancels) cancel();
    for (const { remote } of this.#targets) remote.close();
    if (error === undefined) this.#settle.resolve();
    else this.#settle.reject(error);
  }

  async #ask(target: Target): Promise<void> {
    target.state = "asking";
    try {
      const has = await target.remote.getBitfield(this.#stop.signal);
      if (this.#stop.signal.aborted) return;
      if (!target.known) this.#plan.onPeer(target.slot, has);
      target.known = true;
      target.state = "storing";
      target.failure = undefined;
    } catch (error) {
      this.#onTargetFailed(target, error);
    }
    this.#advance();
  }

  async #send(target: Target, index: PieceIndex): Promise<void> {
    const bytes = this.#input.geometry.lengthOf(index);
    target.inFlight++;
    this.#inFlightBytes += bytes;
    try {
      const data = await this.#input.read(index);
      await target.remote.storePiece(index, data, this.#stop.signal);
      target.failures = 0;
      target.sentPieces++;
      this.#plan.onStored(target.slot, index);
    } catch (error) {
      this.#plan.onFailed(target.slot, index);
      this.#onSendFailed(target, error);
    }
    target.inFlight--;
    this.#inFlightBytes -= bytes;
    this.#advance();
  }

  #onSendFailed(target: Target, error: unknown): void {
    if (!(error instanceof PeerFailed)) this.end(error);
    else if (error.code === "invalid_argument") {
      this.end(
        new PiezaError("invalid_argument", `${target.remote.url} says: ${error.message}`, { cause: error }),
      );
    } else this.#onTargetFailed(target, error);
  }

  #onTargetFailed(target: Target, error: unknown): void {
    if (this.#stop.signal.aborted || target.state === "refusing" || target.state === "gone") return;
    target.failure = error;
    const { code, retryAfterMs } = error instanceof PiezaError ? error : new PiezaError("internal", "");
    const full = code === "resource_exhausted";
    if (REFUSALS.has(code) || (full && retryAfterMs === undefined)) {
      target.state = "refusing";
      return;
    }
    // What else was under way there fails with it, and counts once.
    if (target.state === "pausing") return;
    if (!full && ++target.failures >= MAX_FAILURES) {
      target.state = "gone";
      this.#plan.onGone(target.slot);
      return;
    }
    target.state = "pausing";
    this.#askAfter(target, retryAfterMs ?? FIRST_PAUSE_MS * 2 ** (target.failures - 1));
  }

  #askAfter(target: Target, ms: number): void {
    this.#after(ms, () => void this.#ask(target));
  }

  #after(ms: number, act: () => void): void {
    const cancel = this.#input.clock.after(ms, () => {
      this.#cancels.delete(cancel);
      act();
    });
    this.#cancels.add(cancel);
  }

  /** What follows from the state as it is now: more requests, or the end. */
  #advance(): void {
    if (this.#stop.signal.aborted || !this.#begun) return;
    for (let given = true; given; ) {
      given = false;
      for (const target of this.#targets) if (this.#give(target)) given = true;
    }
    this.#input.onProgress?.(this.#progress());
    if (!this.#plan.finished && this.#targets.some(isBusy)) return;
    this.end(this.#plan.everyPieceStored ? undefined : this.#problem());
  }

  /** One request for a peer that has room for it. Returns whether there was one. */
  #give(target: Target): boolean {
    if (target.state !== "storing" || target.inFlight >= MAX_IN_FLIGHT_PER_PEER) return false;
    const { geometry } = this.#input;
    const most = MAX_IN_FLIGHT_BYTES - geometry.pieceLength;
    if (this.#inFlightBytes > 0 && this.#inFlightBytes > most) return false;
    const index = this.#plan.next(target.slot);
    if (index === undefined) return false;
    void this.#send(target, geometry.index(index));
    return true;
  }

  #progress(): UploadProgress {
    const peers = this.#targets.map(({ remote: { url }, state, failure, sentPieces }) => {
      if (failure === undefined) return { url, state, reason: "", trouble: undefined, sentPieces };
      return { url, state, reason: messageOf(failure), trouble: troubleOf(failure), sentPieces };
    });
    return { storedPieces: this.#plan.stored, peers };
  }

  #problem(): PiezaError {
    const reasons = this.#progress().peers.map(({ url, reason }) => `${url}: ${reason}`);
    const left = this.#input.geometry.count - this.#plan.stored;
    return new PiezaError("unavailable", `${left} pieces are stored nowhere. ${reasons.join("; ")}`);
  }
}

/** Something may still come of it. */
function isBusy({ state, inFlight }: Target): boolean {
  return inFlight > 0 || state === "asking" || state === "pausing";
}

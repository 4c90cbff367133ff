import type { Clock } from "../base/clock.ts";
import { messageOf, PeerFailed, PiezaError, type Trouble, troubleOf } from "../base/errors.ts";
import type { UploadPeer } from "../ports/upload-peer.ts";
import type { PieceGeometry, PieceIndex } from "../torrent/piece.ts";
import { UploadPlan } from "./upload-plan.ts";

/** A browser has six HTTP/1.1 connections to a peer, and a download may want some of them. */
const MAX_IN_FLIGHT_PER_PEER = 3;
/** Bytes read and not yet stored, over all peers. At least one piece is always allowed. */
const MAX_IN_FLIGHT_BYTES = 32 << 20;
/** A peer with this many failures in a row is given up. The pause before each retry doubles. */
const MAX_FAILURES = 4;
const FIRST_PAUSE_MS = 500;
/** How long sending waits for the peers' bitfields: a piece that one peer has need not be sent to another. */
const FIRST_ANSWERS_MS = 2_000;
/** Codes of a peer that will never accept the upload. The pieces that it has still count. */
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
  /** At least one. Closed when the upload ends. */
  readonly peers: readonly UploadPeer[];
  /** The bytes of a piece. An error ends the upload. */
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
  /** The kind of the failure; undefined if `reason` is empty. */
  readonly trouble: Trouble | undefined;
  /** Pieces sent to the peer in this upload. */
  readonly sentPieces: number;
}

export type UploadPeerState =
  /** Asking the peer which pieces it has. */
  | "asking"
  | "storing"
  /** The peer failed, or had no room for a moment. It is asked again after a pause. */
  | "pausing"
  /** The peer accepts nothing more. Its pieces count. */
  | "refusing"
  /** The peer does not answer. Its pieces do not count. */
  | "gone";

interface Target {
  readonly slot: number;
  readonly remote: UploadPeer;
  state: UploadPeerState;
  failure: unknown;
  sentPieces: number;
  inFlight: number;
  failures: number;
  /** The plan knows the peer's pieces. */
  known: boolean;
}

/**
 * Stores the pieces of a file at peers that accept uploads, two copies of each where there are enough peers. Resolves
 * when nothing is left to send and every piece has a copy; a piece that a peer had before is not sent to it. Fails
 * with the error of `read`, with the signal's reason, with invalid_argument if the bytes are not the torrent's, and
 * with unavailable, which names each peer's reason, if no peer accepts the rest.
 */
export async function uploadPieces(input: UploadInput, signal: AbortSignal): Promise<void> {
  return new Upload(input).run(signal);
}

/** Owns the state of an upload. Workers await, then call a method here, which handles the result synchronously. */
class Upload {
  readonly #ended = Promise.withResolvers<void>();
  readonly #input: UploadInput;
  readonly #plan: UploadPlan;
  readonly #targets: readonly Target[];
  readonly #stop = new AbortController();
  readonly #cancels = new Set<() => void>();
  #inFlightBytes = 0;
  #begun = false;

  constructor(input: UploadInput) {
    this.#input = input;
    this.#plan = new UploadPlan(input.geometry.count, input.peers.length);
    this.#targets = input.peers.map((remote, slot) => {
      const fresh = { failure: undefined, sentPieces: 0, inFlight: 0, failures: 0, known: false };
      return { slot, remote, state: "asking", ...fresh };
    });
  }

  async run(signal: AbortSignal): Promise<void> {
    const onAbort = () => this.#end(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      if (signal.aborted) onAbort();
      else this.#askAll();
      await this.#ended.promise;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  #askAll(): void {
    const firstAnswers = this.#targets.map((target) => this.#ask(target));
    void Promise.allSettled(firstAnswers).then(() => this.#begin());
    this.#after(FIRST_ANSWERS_MS, () => this.#begin());
  }

  #begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    this.#advance();
  }

  /** Ends the upload, well if `error` is undefined. Ignored the second time. */
  #end(error?: unknown): void {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort(error ?? new Error("the upload has ended"));
    for (const cancel of this.#cancels) cancel();
    for (const { remote } of this.#targets) remote.close();
    if (error === undefined) this.#ended.resolve();
    else this.#ended.reject(error);
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
    if (!(error instanceof PeerFailed)) this.#end(error);
    else if (error.code === "invalid_argument") {
      this.#end(
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
    // Other requests to this peer fail with the first one, which counts once.
    if (target.state === "pausing") return;
    if (!full && ++target.failures >= MAX_FAILURES) {
      target.state = "gone";
      this.#plan.onGone(target.slot);
      return;
    }
    target.state = "pausing";
    const pauseMs = retryAfterMs ?? FIRST_PAUSE_MS * 2 ** (target.failures - 1);
    this.#after(pauseMs, () => void this.#ask(target));
  }

  #after(ms: number, act: () => void): void {
    const cancel = this.#input.clock.after(ms, () => {
      this.#cancels.delete(cancel);
      act();
    });
    this.#cancels.add(cancel);
  }

  /** Sends more pieces, or ends the upload, as the state demands. */
  #advance(): void {
    if (this.#stop.signal.aborted || !this.#begun) return;
    for (let given = true; given; ) {
      given = false;
      for (const target of this.#targets) if (this.#give(target)) given = true;
    }
    this.#input.onProgress?.(this.#progress());
    if (!this.#plan.finished && this.#targets.some(isBusy)) return;
    this.#end(this.#plan.everyPieceStored ? undefined : this.#problem());
  }

  /** Sends one piece to a peer that has room for it. Returns whether it did. */
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

/** Whether the peer may still store pieces. */
function isBusy({ state, inFlight }: Target): boolean {
  return inFlight > 0 || state === "asking" || state === "pausing";
}

import type { Bitfield } from "../base/bitfield.ts";
import type { Clock } from "../base/clock.ts";
import { messageOf, troubleOf } from "../base/errors.ts";
import { RateMeter } from "../base/meter.ts";
import type { PieceStore } from "../ports/store.ts";
import type { PieceIndex } from "../torrent/piece.ts";
import { type DownloadPeer, pauseEndMs } from "./download-peer.ts";
import { type DownloadSnapshot, type DownloadState, PieceMap } from "./snapshot.ts";

/** Peers whose failures are told while a download waits. */
const MAX_EXCUSES = 4;

/** The stage of a download. The states of a running download follow from what is under way. */
export type Phase = "new" | "running" | "paused" | "complete" | "failed" | "stopped";

interface DownloadViewInput {
  readonly store: PieceStore;
  /** By default all pieces. */
  readonly wanted?: Bitfield | undefined;
  readonly clock: Clock;
  /** Live, in order of slot. */
  readonly peers: readonly DownloadPeer[];
  readonly snapshotMs: number;
  /** When the first byte was requested, or now. */
  readonly startedMs: number;
}

/** A download as the world sees it: the download keeps it up to date, all others read snapshots. */
export class DownloadView {
  phase: Phase = "new";
  /** A tracker has answered. */
  located = false;
  /** Why no tracker answers. */
  trackerProblem: string | undefined;
  /** The most peers that one answer of a tracker named by URLs that are no addresses. */
  badUrls = 0;
  /** Requests are possible but held back: by the rate limit, or by a store that takes the pieces in order. */
  heldBack = false;
  /** The error of a failed download. */
  failure: unknown;
  wastedBytes = 0;
  readonly #input: DownloadViewInput;
  readonly #map: Uint16Array;
  readonly #meter: RateMeter;
  readonly #ended = Promise.withResolvers<DownloadSnapshot>();
  readonly #subscribers = new Set<() => void>();
  readonly #counts = { totalPieces: 0, heldPieces: 0, totalBytes: 0, heldBytes: 0, downloadedBytes: 0 };
  #wanted: Bitfield | undefined;
  #snapshot: DownloadSnapshot | undefined;
  #toldMs = Number.NEGATIVE_INFINITY;
  #cancelTelling: (() => void) | undefined;
  constructor(input: DownloadViewInput) {
    this.#input = input;
    this.#map = new Uint16Array(input.store.geometry.count);
    this.#meter = new RateMeter(input.startedMs);
    this.want(input.wanted);
  }

  get ended(): boolean {
    return this.phase === "complete" || this.phase === "failed" || this.phase === "stopped";
  }

  /** Resolves with the last snapshot. */
  get whenEnded(): Promise<DownloadSnapshot> {
    return this.#ended.promise;
  }

  /** Sets the pieces to get from now on; undefined: all. */
  want(wanted: Bitfield | undefined): void {
    this.#wanted = wanted;
    const { geometry, held } = this.#input.store;
    Object.assign(this.#counts, { totalPieces: 0, heldPieces: 0, totalBytes: 0, heldBytes: 0 });
    for (const index of geometry.indices()) {
      // A held piece that is still marked as in flight is about to be reported by `onHeld`.
      if (held.has(index) && this.#map[index] === PieceMap.MISSING) this.#map[index] = PieceMap.HELD_BEFORE;
      if (wanted?.has(index) === false) continue;
      this.#counts.totalPieces++;
      this.#counts.totalBytes += geometry.lengthOf(index);
      if (PieceMap.isHeld(this.#map[index]!)) this.#count(geometry.lengthOf(index));
    }
  }

  onRequested(index: PieceIndex, slot: number): void {
    this.#map[index] = PieceMap.inFlight(slot);
  }

  /** A request ended without the piece; `slot` is a peer that is still asked for it. */
  onUnrequested(index: PieceIndex, slot: number | undefined): void {
    this.#map[index] = slot === undefined ? PieceMap.MISSING : PieceMap.inFlight(slot);
  }

  onHeld(index: PieceIndex, slot: number, bytes: number): void {
    this.#map[index] = PieceMap.from(slot);
    if (this.#wanted?.has(index) !== false) this.#count(bytes);
    this.#counts.downloadedBytes += bytes;
    this.#meter.add(this.#input.clock.now(), bytes);
  }

  onLost(index: PieceIndex): void {
    const wasHeld = PieceMap.isHeld(this.#map[index]!);
    this.#map[index] = PieceMap.MISSING;
    if (!wasHeld || this.#wanted?.has(index) === false) return;
    this.#counts.heldPieces--;
    this.#counts.heldBytes -= this.#input.store.geometry.lengthOf(index);
  }

  /** A piece that is held already was fetched for this download before it began. */
  onLearned(index: PieceIndex, slot: number, bytes: number, atMs: number): void {
    this.#map[index] = PieceMap.from(slot);
    this.#counts.downloadedBytes += bytes;
    this.#meter.add(atMs, bytes);
  }

  #count(bytes: number): void {
    this.#counts.heldPieces++;
    this.#counts.heldBytes += bytes;
  }

  peek(): DownloadSnapshot {
    this.#snapshot ??= this.#take();
    return this.#snapshot;
  }

  subscribe(fn: () => void): () => void {
    this.#subscribers.add(fn);
    return () => this.#subscribers.delete(fn);
  }

  /** The state changed: the next `peek` is new, and subscribers are called, now or when `snapshotMs` have passed. */
  changed(): void {
    this.#snapshot = undefined;
    if (this.#cancelTelling) return;
    const { clock, snapshotMs } = this.#input;
    const waitMs = this.#toldMs + snapshotMs - clock.now();
    if (waitMs <= 0) this.#tell();
    else this.#cancelTelling = clock.after(waitMs, () => this.#tell());
  }

  end(phase: "complete" | "failed" | "stopped"): void {
    this.phase = phase;
    this.#snapshot = undefined;
    this.#tell();
    this.#ended.resolve(this.peek());
  }

  #tell(): void {
    this.#cancelTelling?.();
    this.#cancelTelling = undefined;
    this.#toldMs = this.#input.clock.now();
    for (const subscriber of [...this.#subscribers]) subscriber();
  }

  #take(): DownloadSnapshot {
    const { clock, peers, startedMs } = this.#input;
    const { totalBytes, heldBytes } = this.#counts;
    const now = clock.now();
    const rate = this.ended ? 0 : this.#meter.rate(now);
    const state = this.#state();
    return {
      state,
      reason: this.#reason(state, now),
      trouble: this.#trouble(state),
      promising: this.#promising,
      located: this.located,
      ...this.#counts,
      wastedBytes: this.wastedBytes,
      rate,
      etaMs: rate > 0 ? ((totalBytes - heldBytes) * 1000) / rate : undefined,
      elapsedMs: now - startedMs,
      peers: peers.map((peer) => peer.snapshot(now, this.heldBack)),
      pieceMap: this.#map.slice(),
    };
  }

  get #isWhole(): boolean {
    return this.#counts.heldPieces === this.#counts.totalPieces;
  }

  get #promising(): boolean {
    return this.#isWhole || this.heldBack || this.#input.peers.some((peer) => peer.promising);
  }

  /** Whether a peer that asked for a pause has missing pieces. */
  get #busyHolder(): boolean {
    const { peers, store, wanted } = this.#input;
    return peers.some(({ busy, has }) => {
      if (!busy || !has) return false;
      for (const index of has.without(store.held)) if (wanted?.has(index) !== false) return true;
      return false;
    });
  }

  #state(): DownloadState {
    if (this.phase === "new") return "starting";
    if (this.phase !== "running") return this.phase;
    const { peers } = this.#input;
    if (this.#isWhole || this.heldBack || peers.some((peer) => peer.inFlight > 0)) return "downloading";
    const asking = peers.some((peer) => peer.connecting);
    return asking || (!this.located && this.trackerProblem === undefined) ? "starting" : "waiting";
  }

  #trouble(state: DownloadState): DownloadSnapshot["trouble"] {
    if (state === "failed") return troubleOf(this.failure);
    if (state !== "waiting") return undefined;
    if (this.#busyHolder) return "busy_holder";
    if (this.#input.peers.length > 0) return "no_holder";
    return this.trackerProblem === undefined ? "no_peer" : "no_tracker";
  }

  #reason(state: DownloadState, now: number): string {
    if (state === "failed") return messageOf(this.failure);
    if (state !== "waiting") return "";
    const { peers } = this.#input;
    if (peers.length === 0) return this.trackerProblem ?? noPeer(this.badUrls);
    const missing = this.#counts.totalPieces - this.#counts.heldPieces;
    const excuses = peers.flatMap(({ standing, url }) => {
      if (standing.kind === "usable") return [];
      const pause =
        standing.kind === "backing off"
          ? `, again in ${Math.ceil(Math.max(0, pauseEndMs(standing, true) - now) / 1000)} s`
          : "";
      return [`${url} ${standing.kind}: ${messageOf(standing.because)}${pause}`];
    });
    const pieces = missing === 1 ? "the missing piece" : `the ${missing} missing pieces`;
    const what = this.#busyHolder
      ? `every reachable peer that has ${pieces} is busy`
      : `no reachable peer has ${pieces}`;
    return [what, ...excuses.slice(0, MAX_EXCUSES)].join("; ");
  }
}

/** Why a download whose tracker answers knows no peer. `badUrls`: see SwarmTable. */
export function noPeer(badUrls: number): string {
  if (badUrls === 0) return "no peer has this torrent yet";
  const named =
    badUrls === 1
      ? "the peer that the tracker names has"
      : `the ${badUrls} peers that the tracker names have`;
  return `${named} no valid URL`;
}

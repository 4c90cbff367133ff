import {
  type DownloadSnapshot,
  type DownloadState,
  type PeerSnapshot,
  PieceMap,
} from "#core/download/snapshot.ts";
import { peerTrouble, type ShownTrouble } from "./trouble.ts";

/** State of a peer in a timeline. "active" and "idle" of the engine are both "answering" here. */
export type PeerStanding = "connecting" | "answering" | "asked again" | "backing off" | "banned" | "skipped";

/** One event. Times are milliseconds since the engine was started. */
export type TimelineEntry =
  | {
      readonly kind: "state";
      readonly atMs: number;
      readonly state: DownloadState;
      readonly reason: string;
      readonly trouble?: ShownTrouble | undefined;
    }
  | {
      readonly kind: "peer";
      readonly atMs: number;
      readonly slot: number;
      readonly url: string;
      readonly standing: PeerStanding;
      readonly reason: string;
      readonly trouble?: ShownTrouble | undefined;
    }
  | PiecesEntry;

interface PiecesEntry {
  readonly kind: "pieces";
  readonly atMs: number;
  readonly slot: number;
  readonly url: string;
  /** Piece numbers, from 1, in order of arrival. */
  readonly numbers: number[];
}

/** A timeline entry as it is stored and shown: the piece numbers are at most MAX_RANGES ranges. */
export type KeptEntry =
  | Exclude<TimelineEntry, PiecesEntry>
  | (Omit<PiecesEntry, "numbers"> & {
      readonly count: number;
      readonly ranges: readonly (readonly [from: number, to: number])[];
    });

/**
 * Pieces of one peer go into one entry until this time has passed, or this part of the time so far if that is longer.
 */
const TOGETHER_MS = 10_000;
const TOGETHER_PART = 1 / 20;
/** Above this, the oldest entries are dropped. */
const MAX_ENTRIES = 400;

/** The events of a download, derived from the differences between its snapshots. */
export class Timeline {
  #entries: TimelineEntry[] = [];
  #state: DownloadState | undefined;
  #map: Uint16Array = new Uint16Array(0);
  readonly #standings: PeerStanding[] = [];
  /** The entry of each slot that takes more pieces. */
  readonly #runs: (PiecesEntry | undefined)[] = [];
  #lastMs = 0;

  /** The oldest first. The array is changed in place. */
  get entries(): readonly TimelineEntry[] {
    return this.#entries;
  }

  add(snapshot: DownloadSnapshot): void {
    if (snapshot.elapsedMs < this.#lastMs) this.#startAnew();
    this.#lastMs = snapshot.elapsedMs;
    for (const peer of snapshot.peers) this.#addPeer(peer, snapshot.elapsedMs);
    this.#addPieces(snapshot);
    if (snapshot.state !== this.#state) {
      this.#state = snapshot.state;
      const { elapsedMs: atMs, state, reason, trouble } = snapshot;
      this.#push({ kind: "state", atMs, state, reason, trouble });
    }
  }

  #addPeer(peer: PeerSnapshot, atMs: number): void {
    const { slot, state } = peer;
    const standing = state === "active" || state === "idle" ? "answering" : state;
    const before = this.#standings[slot];
    // A peer that backed off is only asked again: its next pieces show whether it answers.
    const again = before === "backing off" || before === "asked again";
    const shown = again && standing === "answering" ? "asked again" : standing;
    // A peer that is asked again which pieces it has keeps its standing.
    if (shown === before || (shown === "connecting" && before !== undefined)) return;
    this.#stand(peer, shown, atMs);
  }

  #stand(peer: PeerSnapshot, standing: PeerStanding, atMs: number): void {
    const { slot, url, reason } = peer;
    this.#standings[slot] = standing;
    this.#runs[slot] = undefined;
    this.#push({ kind: "peer", atMs, slot, url, standing, reason, trouble: peerTrouble(peer) });
  }

  #addPieces({ pieceMap, peers, elapsedMs }: DownloadSnapshot): void {
    for (let index = 0; index < pieceMap.length; index++) {
      const entry = pieceMap[index]!;
      if (entry === this.#map[index] || !PieceMap.isHeld(entry) || entry === PieceMap.HELD_BEFORE) continue;
      const slot = PieceMap.slotOf(entry);
      this.#runOf(slot, peers[slot]?.url ?? "", elapsedMs).push(index + 1);
    }
    this.#map = pieceMap;
  }

  #runOf(slot: number, url: string, atMs: number): number[] {
    const together = Math.max(TOGETHER_MS, atMs * TOGETHER_PART);
    const open = this.#runs[slot];
    if (open && atMs - open.atMs <= together) return open.numbers;
    const entry: PiecesEntry = { kind: "pieces", atMs, slot, url, numbers: [] };
    this.#runs[slot] = entry;
    this.#push(entry);
    return entry.numbers;
  }

  #push(entry: TimelineEntry): void {
    this.#entries.push(entry);
    if (this.#entries.length > MAX_ENTRIES) this.#entries.shift();
  }

  /** The engine was restarted, so its times and slots start again. */
  #startAnew(): void {
    this.#entries = [];
    this.#state = undefined;
    this.#map = new Uint16Array(0);
    this.#standings.length = 0;
    this.#runs.length = 0;
  }
}

/** Ranges kept for an entry: one more than a line shows, so that the line ends in "…". */
const MAX_RANGES = 13;

export function keptEntryOf(entry: TimelineEntry): KeptEntry {
  if (entry.kind !== "pieces") return entry;
  const { numbers, ...rest } = entry;
  return { ...rest, count: numbers.length, ranges: numberRanges(numbers).slice(0, MAX_RANGES) };
}

/** Numbers as sorted ranges: [5, 1, 2] becomes [[1, 2], [5, 5]]. */
export function numberRanges(numbers: readonly number[]): readonly (readonly [number, number])[] {
  const ranges: [number, number][] = [];
  for (const number of numbers.toSorted((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last && number === last[1] + 1) last[1] = number;
    else ranges.push([number, number]);
  }
  return ranges;
}

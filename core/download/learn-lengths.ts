import { joinBytes } from "../base/bytes.ts";
import { type Clock, sleep } from "../base/clock.ts";
import { messageOf, PeerFailed, PiezaError, WrongPiece } from "../base/errors.ts";
import { sha256 } from "../base/hash.ts";
import { holderInTurn } from "../base/round-robin.ts";
import type { PieceSink, RemotePeer } from "../ports/peer.ts";
import { locateQuery, type SwarmPeer, type SwarmTable } from "../ports/tracker.ts";
import { MAX_PIECE_LENGTH, PieceGeometry, type PieceIndex } from "../torrent/piece.ts";
import type { DownloadInput } from "./download-input.ts";
import { noPeer } from "./download-view.ts";
import type { LearnedPiece, LearnedPieces } from "./learned-pieces.ts";
import { locateLoop } from "./locate-loop.ts";
import { unlessStalled } from "./stall.ts";

/** The pause after no peer had the piece. */
const PAUSE_MS = 1_000;

/** `torrent` is a legacy torrent; `connect` makes clients for pieces of up to 16 MiB. */
export interface LearnLengthsInput
  extends Pick<DownloadInput, "torrent" | "trackers" | "connect" | "hasher" | "clock" | "random"> {
  readonly signal: AbortSignal;
  /** Called while no peer has given the piece: the reason, and whether a tracker has answered. */
  readonly onWaiting?: (reason: string, located: boolean) => void;
}

export interface LearnedLengths {
  readonly geometry: PieceGeometry;
  /** The verified pieces from which the lengths follow: the first and the last. */
  readonly pieces: LearnedPieces;
}

/**
 * Learns the lengths of a legacy torrent: all its pieces but the last have one length, so the first and the last
 * piece, fetched whole and verified in memory, tell everything. Waits for peers for ever. Fails with the signal's
 * reason, and with invalid_argument if the two pieces contradict each other.
 */
export async function learnLengths(input: LearnLengthsInput): Promise<LearnedLengths> {
  const learner = new LengthLearner(input);
  const done = new AbortController();
  const signal = AbortSignal.any([input.signal, done.signal]);
  const { torrent, trackers, clock, random } = input;
  const swarm = locateQuery(torrent);
  const onTable = (table: SwarmTable) => learner.onTable(table);
  const onFailure = (reason: string) => learner.onProblem(reason);
  const locating = locateLoop({ trackers, swarm, clock, random, onTable, onFailure }, signal);
  try {
    const last = (torrent.pieces.length - 1) as PieceIndex;
    const first = await learner.fetch(0 as PieceIndex);
    const pieces = new Map([[0 as PieceIndex, first]]);
    if (last > 0) pieces.set(last, await learner.fetch(last));
    return { geometry: geometryFrom(first.bytes.length, pieces.get(last)!.bytes.length, last + 1), pieces };
  } finally {
    done.abort(new Error("lengths are learned"));
    learner.close();
    await locating;
  }
}

function geometryFrom(firstLength: number, lastLength: number, count: number): PieceGeometry {
  if (count === 1) return new PieceGeometry(firstLength, Math.max(1, firstLength));
  if (firstLength === 0 || lastLength === 0 || lastLength > firstLength) {
    const problem = `${lastLength} bytes where the first piece has ${firstLength}`;
    throw new PiezaError("invalid_argument", `pieces[${count - 1}]: ${problem}`);
  }
  return new PieceGeometry(firstLength * (count - 1) + lastLength, firstLength);
}

/** Asks one peer after the other, in the tracker's order of turns, until one gives the piece. */
class LengthLearner {
  table: SwarmTable | undefined;
  readonly #input: LearnLengthsInput;
  readonly #remotes = new Map<string, RemotePeer>();
  /** URLs not to ask again: peers that sent something else than the piece, and legacy peers without a call for it. */
  readonly #useless = new Set<string>();
  #problem = noPeer(0);

  constructor(input: LearnLengthsInput) {
    this.#input = input;
  }

  onTable(table: SwarmTable): void {
    this.table = table;
    if (table.peers.length === 0) this.#problem = noPeer(table.badUrls ?? 0);
  }

  onProblem(reason: string): void {
    this.#problem = reason;
    this.#input.onWaiting?.(reason, this.table !== undefined);
  }

  async fetch(index: PieceIndex): Promise<LearnedPiece> {
    for (;;) {
      for (const peer of this.#holders(index)) {
        const piece = await this.#fetchFrom(peer, index);
        if (piece) return piece;
      }
      if (this.table) this.#input.onWaiting?.(this.#problem, true);
      await sleep(this.#input.clock, this.table ? PAUSE_MS : PAUSE_MS / 20, this.#input.signal);
    }
  }

  close(): void {
    for (const remote of this.#remotes.values()) remote.close();
  }

  #holders(index: PieceIndex): SwarmPeer[] {
    const holders =
      this.table?.peers.filter(({ url, bitfield }) => bitfield.has(index) && !this.#useless.has(url)) ?? [];
    if (holders.length === 0) return [];
    const start = holderInTurn(this.table!.turn, index + 1, holders.length);
    return [...holders.slice(start), ...holders.slice(0, start)];
  }

  async #fetchFrom({ url, legacy = false }: SwarmPeer, index: PieceIndex): Promise<LearnedPiece | undefined> {
    const { torrent, hasher, clock, signal } = this.#input;
    const remote = this.#remote(url, legacy);
    if (!remote) return undefined;
    try {
      const askedAtMs = clock.now();
      const sink = new WholePiece(clock);
      const stop = new AbortController();
      const either = AbortSignal.any([signal, stop.signal]);
      const getting = remote.getPiece(index, sink, either);
      await unlessStalled(getting, () => sink.arrivedBytes, clock, stop);
      const bytes = sink.bytes();
      const cameMs = clock.now();
      const hash = await sha256(hasher, bytes);
      if (hash !== torrent.pieces[index]) throw new WrongPiece(`piece ${index + 1} has the wrong hash`);
      const endedAtMs = clock.now();
      const { firstByteAtMs = cameMs } = sink;
      return {
        bytes,
        source: { url, legacy, askedAtMs, firstByteAtMs, endedAtMs, hashMs: endedAtMs - cameMs },
      };
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (!(error instanceof WrongPiece || error instanceof PeerFailed)) throw error;
      const gives = error instanceof PeerFailed && !(legacy && error.code === "unimplemented");
      if (!gives) this.#useless.add(url);
      this.#problem = `${url}: ${messageOf(error)}`;
      return undefined;
    }
  }

  /** Undefined if no client can be made for the peer, which is then not asked again. */
  #remote(url: string, legacy: boolean): RemotePeer | undefined {
    const known = this.#remotes.get(url);
    if (known) return known;
    try {
      const remote = this.#input.connect(url, legacy);
      this.#remotes.set(url, remote);
      return remote;
    } catch (error) {
      this.#useless.add(url);
      this.#problem = `${url}: ${messageOf(error)}`;
      return undefined;
    }
  }
}

/** Keeps one piece of unknown length in memory, up to the longest possible. */
class WholePiece implements PieceSink {
  /** When the first byte arrived. */
  firstByteAtMs: number | undefined;
  readonly #clock: Clock;
  readonly #parts: Uint8Array[] = [];
  #length = 0;
  #comingBytes = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get arrivedBytes(): number {
    return Math.max(this.#length, this.#comingBytes);
  }

  coming(bytes: number): void {
    this.#comingBytes += bytes;
  }

  write(bytes: Uint8Array): void {
    this.firstByteAtMs ??= this.#clock.now();
    this.#length += bytes.length;
    if (this.#length > MAX_PIECE_LENGTH) throw new WrongPiece("the piece is longer than 16 MiB");
    this.#parts.push(new Uint8Array(bytes));
  }

  bytes(): Uint8Array {
    return joinBytes(this.#parts);
  }
}

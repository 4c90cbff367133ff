import type { PieceGeometry, PieceIndex } from "../torrent/piece.ts";
import type { DownloadPeer, PieceRequest } from "./download-peer.ts";

/** A request is overdue after this many times its fair duration, and the slack. */
const OVERDUE_FACTOR = 3;
const OVERDUE_SLACK_MS = 250;
/** The assumed duration of a piece while neither peer has been measured. */
const UNMEASURED_MS = 1_000;
/** A request is worth hedging if it is due later than twice the time that the other peer needs, and the slack. */
const LATE_FACTOR = 2;
const LATE_SLACK_MS = 500;
/** Before its first byte, a request that is cancelled wastes nothing, so the slack is short. */
const UNBEGUN_SLACK_MS = 100;
/** A request is hopeless if it is due later than this. Only then a peer that nobody has measured takes its place. */
const HOPELESS_MS = 8_000;

/** Requests for one piece at a time: the first and one hedge. */
const MAX_REQUESTERS = 2;
/** One more, by a peer that has given pieces, while at most one of those has: it may be the only one that will. */
const MAX_WITH_PROVEN = 3;
/** While all are hopeless, by peers of which none has given a piece: the one useful among many must be found soon. */
const MAX_HOPELESS = 16;
/** So many peers that nobody knows are tried at a time for each request that is late. */
const TRIED_FOR_LATE = 3;

/** A request to make, and one to give up for it. */
export interface Choice {
  readonly index: PieceIndex;
  readonly replaces?: PieceRequest | undefined;
}

/** A request, as a peer sees it that could do better. */
interface Rival {
  readonly request: PieceRequest;
  /** Milliseconds until it will be done, Infinity if nothing arrives. */
  readonly dueMs: number;
  readonly isLate: boolean;
}

/** The requests under way at one moment, and which of them other peers should take over. */
export class Hedging {
  readonly #geometry: PieceGeometry;
  readonly #now: number;
  /** By piece. Without pieces that have arrived and are being stored. */
  readonly #pieces = new Map<PieceIndex, PieceRequest[]>();

  constructor(peers: readonly DownloadPeer[], geometry: PieceGeometry, now: number) {
    this.#geometry = geometry;
    this.#now = now;
    for (const { requests } of peers) {
      for (const [index, request] of requests) {
        const others = this.#pieces.get(index);
        if (others) others.push(request);
        else this.#pieces.set(index, [request]);
      }
    }
    for (const [index, requests] of this.#pieces) {
      const isWhole = requests.some(({ receiver }) => receiver.received >= geometry.lengthOf(index));
      if (isWhole) this.#pieces.delete(index);
    }
  }

  /**
   * The piece under way that this idle peer should be asked for too: every request for it is late. Of several, the one
   * that is worst off. `fits`: there is room for one more request; without it, one is given up. Looks only at pieces
   * for which `which` is true.
   */
  hedge(
    peer: DownloadPeer,
    usable: readonly DownloadPeer[],
    fits: boolean,
    which: (index: PieceIndex) => boolean = () => true,
  ): Choice | undefined {
    let choice: Choice | undefined;
    let worstMs = 0;
    let longestMs = 0;
    for (const [index, requests] of this.#pieces) {
      if (requests.some((request) => request.peer === peer) || !peer.gives(index) || !which(index)) continue;
      const rivals = requests.map((request) => this.#rival(request, peer));
      if (!this.#isWorthIt(rivals, peer)) continue;
      if (isLeftToOthers(peer, requests, usable)) continue;
      const isFull = !fits || rivals.length >= maxRequesters(peer, rivals);
      const replaces = isFull ? slowest(rivals, peer) : undefined;
      if (isFull && !replaces) continue;
      const soonestMs = Math.min(...rivals.map(({ dueMs }) => dueMs));
      const elapsedMs = this.#now - Math.min(...requests.map(({ startedMs }) => startedMs));
      if (soonestMs < worstMs || (soonestMs === worstMs && elapsedMs <= longestMs)) continue;
      [choice, worstMs, longestMs] = [{ index, replaces }, soonestMs, elapsedMs];
    }
    return choice;
  }

  /** The request that should be given up so that this peer can be asked for another piece. */
  victim(peer: DownloadPeer): PieceRequest | undefined {
    const rivals: Rival[] = [];
    for (const request of [...this.#pieces.values()].flat()) {
      // A peer that gives what it always gave keeps its place.
      if (request.peer === peer || (request.peer.proven && !this.#isOverdue(request, 0))) continue;
      const rival = this.#rival(request, peer);
      if (rival.isLate) rivals.push(rival);
    }
    return slowest(rivals, peer);
  }

  #rival(request: PieceRequest, peer: DownloadPeer): Rival {
    const ownMs = this.#ownMs(peer);
    const dueMs = this.#dueMs(request, ownMs);
    // A proven peer does not wait for one that is not: that may promise anything.
    const factor = peer.proven && !request.peer.proven ? 1 : LATE_FACTOR;
    const slackMs = request.receiver.arrivedBytes === 0 ? UNBEGUN_SLACK_MS : LATE_SLACK_MS;
    return { request, dueMs, isLate: dueMs > factor * ownMs + slackMs };
  }

  /** Every request is late, but for some by peers that nobody knows: those alone keep nobody away. */
  #isWorthIt(rivals: readonly Rival[], peer: DownloadPeer): boolean {
    const late = rivals.filter(({ isLate }) => isLate).length;
    const unknown = rivals.filter(({ isLate, request }) => !isLate && isUnknown(request.peer)).length;
    if (late === 0 || late + unknown < rivals.length) return false;
    return unknown === 0 || peer.proven || (isUnknown(peer) && unknown < TRIED_FOR_LATE * late);
  }

  #ownMs(peer: DownloadPeer): number {
    return peer.pace.expectedMs(this.#geometry.pieceLength) ?? UNMEASURED_MS;
  }

  /** Requests at one peer share its rate, so each is due when all of them are. `assumedMs`: a piece without a rate. */
  #fairMs({ peer }: PieceRequest, assumedMs: number): number {
    const { rate } = peer.pace;
    return (rate === undefined ? assumedMs : (this.#geometry.pieceLength * 1000) / rate) * peer.inFlight;
  }

  #isOverdue(request: PieceRequest, assumedMs: number): boolean {
    const elapsedMs = this.#now - request.startedMs;
    return elapsedMs > OVERDUE_FACTOR * this.#fairMs(request, assumedMs) + OVERDUE_SLACK_MS;
  }

  /** By what its peer gave before, as long as that comes true, and then by the bytes that arrive. */
  #dueMs(request: PieceRequest, assumedMs: number): number {
    const { peer, index, receiver, startedMs, progress } = request;
    const arrived = receiver.arrivedBytes;
    const rate = progress.rate(this.#now, arrived);
    const leftMs = this.#fairMs(request, assumedMs) - (this.#now - startedMs);
    const isBelieved = peer.proven || rate === undefined;
    if (isBelieved && leftMs > 0) return leftMs;
    if (rate) return ((this.#geometry.lengthOf(index) - arrived) * 1000) / rate;
    return isBelieved && !this.#isOverdue(request, assumedMs) ? 0 : Number.POSITIVE_INFINITY;
  }
}

function maxRequesters(peer: DownloadPeer, rivals: readonly Rival[]): number {
  const proven = rivals.filter(({ request }) => request.peer.proven).length;
  const isHopeless = proven === 0 && rivals.every(({ dueMs, isLate }) => !isLate || dueMs > HOPELESS_MS);
  if (isHopeless && mayReplace(peer)) return MAX_HOPELESS;
  return peer.proven && proven < MAX_REQUESTERS ? MAX_WITH_PROVEN : MAX_REQUESTERS;
}

/** The slowest, if this peer may take its place. */
function slowest(rivals: readonly Rival[], peer: DownloadPeer): PieceRequest | undefined {
  if (!mayReplace(peer)) return undefined;
  let worst: Rival | undefined;
  for (const rival of rivals) if (!worst || rival.dueMs > worst.dueMs) worst = rival;
  return worst && (peer.proven || worst.dueMs > HOPELESS_MS) ? worst.request : undefined;
}

/** The peer has given pieces, or it has never been tried. */
function mayReplace(peer: DownloadPeer): boolean {
  return peer.proven || (isUnknown(peer) && peer.failures === 0);
}

function isUnknown({ pace }: DownloadPeer): boolean {
  return pace.rate === undefined;
}

/** A peer that has failed leaves a hedge to peers that have not. */
function isLeftToOthers(
  peer: DownloadPeer,
  requests: readonly PieceRequest[],
  usable: readonly DownloadPeer[],
): boolean {
  if (peer.failures === 0) return false;
  const index = requests[0]!.index;
  const asked = new Set(requests.map((request) => request.peer));
  return usable.some((one) => one.failures === 0 && !asked.has(one) && one.gives(index));
}

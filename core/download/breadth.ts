import type { DownloadPeer } from "./download-peer.ts";

/** Peers that are asked before anything is known. */
const START = 3;
/** Where one link is shared, this many peers keep it full. */
const MIN_SHARED = 2;
/** Pieces that all come within this time are no matter, however many they are. */
const SOON_MS = 1_500;
/** A peer may get its next request this long before the end of the last one. */
const ALMOST_MS = 500;
/** The rate counts over this time. */
const RATE_MS = 1_000;
const MIN_RATE_MS = 50;
/** A peer that gives less than this share of the even rate is none of those that fill a link. */
const TRICKLE_SHARE = 1 / 8;
/** A link counts as shared until the rate falls to this part, and is tested again after a while, twice as long each time. */
const LOST_RATE = 0.7;
const MIN_RETEST_MS = 10_000;
const MAX_RETEST_MS = 160_000;

/** What a peer had sent at a step. */
interface Flow {
  readonly arrived: number;
  /** Bytes since the step before; undefined in its first. */
  readonly stepBytes: number | undefined;
}

interface Mark {
  readonly atMs: number;
  readonly bytes: number;
}

/**
 * Decides how many peers are asked at a time where pieces take long. Pieces that share a slow link come late and all
 * together, so where more peers bring no more bytes there should be few. It opens step by step: after each step with
 * more peers, the older ones tell. If they became slower, they share a link with the new ones, and it goes no further.
 */
export class Breadth {
  readonly #pieceLength: number;
  #flows = new Map<DownloadPeer, Flow>();
  /** At the steps within RATE_MS and at the one before. */
  #marks: Mark[] = [];
  #endedBytes = 0;
  #startedMs: number | undefined;
  #rate: number | undefined;
  #limit = START;
  /** Peers that counted at the last step. */
  #before = 0;
  #leastBytes = 0;
  #shared: { readonly rate: number; readonly retestMs: number } | undefined;
  #retestAfterMs = MIN_RETEST_MS;

  constructor(pieceLength: number) {
    this.#pieceLength = pieceLength;
  }

  /** A request ended after `bytes`. */
  onEnded(bytes: number): void {
    this.#endedBytes += bytes;
  }

  /** Whether one more request may be made at this peer. `inFlightBytes`: of the requests under way. */
  allows(peer: DownloadPeer, peers: readonly DownloadPeer[], inFlightBytes: number, now: number): boolean {
    this.#startedMs ??= now;
    // Before the first step, only whole pieces tell the rate.
    const rate = this.#rate ?? perSecond(this.#endedBytes, now - this.#startedMs);
    const soonBytes = (rate * SOON_MS) / 1000;
    if (inFlightBytes + this.#pieceLength <= soonBytes) return true;
    if (peer.inFlight === 0) return this.#count(peers) < this.#limit;
    return [...peer.requests.values()].every(({ progress, receiver }) => {
      const rate = progress.rate(now, receiver.arrivedBytes) ?? 0;
      return (this.#pieceLength - receiver.arrivedBytes) * 1000 <= rate * ALMOST_MS;
    });
  }

  /** Call a few times a second. */
  step(peers: readonly DownloadPeer[], now: number): void {
    const bytes = peers.reduce((sum, peer) => sum + peer.arrivedBytes, 0);
    const hasBytes = bytes > (this.#marks.at(-1)?.bytes ?? 0);
    const older = this.#olderPeers(peers.filter(({ inFlight }) => inFlight > 0));
    const rate = this.#rateAt({ atMs: now, bytes });
    this.#rate = rate;
    const count = this.#count(peers);
    const grew = count > this.#before;
    if (this.#shared) this.#reconsider(rate, now);
    else if (!hasBytes) this.#limit = Math.max(this.#limit, 2 * count);
    else if (older && grew && older.bytes < older.bytesBefore * (1 - (1 - this.#before / count) / 2))
      this.#close(rate, now);
    else if (older && grew) this.#limit = Math.max(this.#limit, 2 * count);
    else if (this.#hasBaseline && count >= this.#limit) this.#limit = count + 1;
    this.#before = count;
  }

  #rateAt(mark: Mark): number {
    this.#marks.push(mark);
    if (this.#marks[1] && this.#marks[1].atMs <= mark.atMs - RATE_MS) this.#marks.shift();
    const first = this.#marks[0]!;
    return first === mark
      ? perSecond(mark.bytes, mark.atMs - (this.#startedMs ?? 0))
      : perSecond(mark.bytes - first.bytes, mark.atMs - first.atMs);
  }

  /** Bytes of the peers of the step before, in this step and in that; undefined if that was their first. */
  #olderPeers(active: readonly DownloadPeer[]): { bytes: number; bytesBefore: number } | undefined {
    const flows = new Map<DownloadPeer, Flow>();
    let [bytes, bytesBefore, allBytes] = [0, 0, 0];
    for (const peer of active) {
      const arrived = peer.arrivedBytes;
      const before = this.#flows.get(peer);
      const stepBytes = before && arrived - before.arrived;
      flows.set(peer, { arrived, stepBytes });
      allBytes += stepBytes ?? 0;
      if (stepBytes === undefined || before?.stepBytes === undefined) continue;
      bytes += stepBytes;
      bytesBefore += before.stepBytes;
    }
    this.#flows = flows;
    this.#leastBytes = (TRICKLE_SHARE * allBytes) / Math.max(1, active.length);
    return bytesBefore > 0 ? { bytes, bytesBefore } : undefined;
  }

  /** The last step is one that the next can be compared with. */
  get #hasBaseline(): boolean {
    return [...this.#flows.values()].some(({ stepBytes = 0 }) => stepBytes > 0);
  }

  #close(rate: number, now: number): void {
    this.#limit = Math.max(MIN_SHARED, this.#before);
    this.#shared = { rate, retestMs: now + this.#retestAfterMs };
    this.#retestAfterMs = Math.min(MAX_RETEST_MS, 2 * this.#retestAfterMs);
  }

  #reconsider(rate: number, now: number): void {
    const shared = this.#shared!;
    if (rate < LOST_RATE * shared.rate || now >= shared.retestMs) this.#shared = undefined;
  }

  /** Peers that may fill a link: those that give a fair part of the bytes, or have not had the time to. */
  #count(peers: readonly DownloadPeer[]): number {
    let count = 0;
    for (const peer of peers) {
      if (peer.inFlight === 0) continue;
      const stepBytes = this.#flows.get(peer)?.stepBytes;
      if (stepBytes === undefined || (stepBytes > 0 && stepBytes >= this.#leastBytes)) count++;
    }
    return count;
  }
}

function perSecond(bytes: number, ms: number): number {
  return (bytes * 1000) / Math.max(MIN_RATE_MS, ms);
}

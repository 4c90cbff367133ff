import { messageOf, PiezaError } from "../base/errors.ts";
import type { PeerTiming } from "../ports/peer.ts";
import type { PieceIndex } from "../torrent/piece.ts";
import type { DownloadPeer, PieceRequest } from "./download-peer.ts";
import type { PieceSource } from "./learned-pieces.ts";
import type { PieceReceiver } from "./receiver.ts";
import type { PeerSnapshot } from "./snapshot.ts";

const noTime = {
  ...{ tracker: 0, connecting: 0, downloading: 0, limited: 0 },
  ...{ blocked: 0, waiting: 0, paused: 0, finishing: 0 },
};

/** What a download is doing. Its time goes to one of these at a time. */
export type Doing = keyof typeof noTime;

/** Why a piece was requested from another peer and not from this one: a letter each in an account. */
export const whyNotWords = {
  n: "does not have it",
  l: "said that it does not have it after all",
  b: "had as many requests under way as it can use",
  s: "too slow: the others would be done sooner",
  o: "another was quicker to hand",
  r: "was being asked for it already",
  c: "had not said yet what it has",
  w: "backing off after a failure",
  x: "banned",
  k: "skipped",
} as const;

export type WhyNot = keyof typeof whyNotWords;

/** Peers whose letters are kept for every piece; peers in later slots have none. */
export const MAX_EXPLAINED_PEERS = 32;
/** Stands in `others` at the slot of the peer that was asked. */
export const ASKED = "*";
const MAX_NOTES = 8;

/** A peer's conduct in one word. */
export type Verdict = "good" | "slow" | "failed" | "lied" | "skipped" | "unused";

/** An event of a peer. */
export interface PeerNote {
  readonly atMs: number;
  readonly text: string;
}

type Shown = "slot" | "url" | "transport" | "state" | "reason" | "hasPieces" | "servedPieces" | "servedBytes";

/** One peer's part in a download. Times are in milliseconds; `...AtMs` count from the start of the download. */
export interface PeerAccount extends Pick<PeerSnapshot, Shown> {
  readonly verdict: Verdict;
  readonly metAtMs: number;
  /** From the first call to the first answer; undefined without an answer. */
  readonly connectMs: number | undefined;
  readonly requests: number;
  /** With at least one request under way. */
  readonly busyMs: number;
  /** Bytes per second of verified pieces over `busyMs`. */
  readonly rate: number;
  /** Mean time from a request to the first byte, over the pieces served; undefined if there are none. */
  readonly firstByteMs: number | undefined;
  /** The peer's limits and its disk within that time, by its own word. Undefined if it does not say. */
  readonly limitMs: number | undefined;
  readonly readMs: number | undefined;
  /** Failed requests, without those that the peer refused because it was busy or over its rate. */
  readonly failures: number;
  readonly refused: number;
  /** Requests in which another peer was quicker. */
  readonly overtaken: number;
  /** Pieces requested from others because this peer was too slow for them. */
  readonly leftOut: number;
  /** The first failure and the last ones, oldest first. */
  readonly notes: readonly PeerNote[];
}

/** One column for each aspect, one entry for each piece: small in memory and in a file. */
export interface PieceAccounts {
  /** The slot of the peer that served the piece; -1 if it was held before, -2 if it is missing. */
  readonly from: readonly number[];
  /** When the piece was requested, since the download began. */
  readonly askedAtMs: readonly number[];
  /** From the request to the first byte, and to the end. */
  readonly firstByteMs: readonly number[];
  readonly tookMs: readonly number[];
  readonly requests: readonly number[];
  /** At the last request: for each of the first peers the letter why it was not asked, or ASKED if it was. */
  readonly others: readonly string[];
}

export interface DownloadAccount {
  readonly elapsedMs: number;
  /** Where the time went; adds up to `elapsedMs`. */
  readonly spentMs: Readonly<Record<Doing, number>>;
  /** Where the time of the requests went, summed over all requests, which run side by side. */
  readonly requestMs: {
    /** The peers spend `peerLimit` and `peerRead` of it, by their own word; the rest is the network's, and theirs. */
    readonly firstByte: number;
    readonly peerLimit: number;
    readonly peerRead: number;
    readonly transfer: number;
    readonly hashing: number;
    readonly disk: number;
  };
  /** Why no tracker answered, the last time that none did. */
  readonly trackerProblem: string;
  /** The most peers that one answer of a tracker named by URLs that are no addresses. Older records lack it. */
  readonly badUrls?: number | undefined;
  readonly peers: readonly PeerAccount[];
  readonly pieces: PieceAccounts;
}

/** A piece that arrived, with its times. */
type Came = Pick<PieceRequest, "peer" | "index" | "startedMs"> & {
  readonly receiver: Pick<PieceReceiver, "firstByteAtMs" | "hashMs" | "diskMs" | "peerTiming">;
};

interface PeerTally {
  metAtMs: number;
  connectMs: number | undefined;
  requests: number;
  firstByteMs: number;
  /** Pieces for which the peer told its own times, which follow. */
  timed: number;
  limitMs: number;
  readMs: number;
  failures: number;
  refused: number;
  overtaken: number;
  leftOut: number;
  notes: PeerNote[];
}

/** Collects what explains a download afterwards. The owner reports events and times; bounded by the pieces. */
export class Account {
  trackerProblem = "";
  badUrls = 0;
  readonly #startedMs: number;
  readonly #peers: readonly DownloadPeer[];
  readonly #tallies = new Map<DownloadPeer, PeerTally>();
  readonly #spentMs = { ...noTime };
  readonly #requestMs = { firstByte: 0, peerLimit: 0, peerRead: 0, transfer: 0, hashing: 0, disk: 0 };
  readonly #from: Int32Array;
  readonly #askedAtMs: Float64Array;
  readonly #firstByteMs: Float32Array;
  readonly #tookMs: Float32Array;
  readonly #requests: Uint16Array;
  readonly #others: string[];
  #doing: Doing = "tracker";
  #sinceMs: number;

  /** `peers` is live, in order of slot; `held` are the pieces held already. */
  constructor(now: number, peers: readonly DownloadPeer[], held: Iterable<number>, count: number) {
    this.#startedMs = now;
    this.#sinceMs = now;
    this.#peers = peers;
    this.#from = new Int32Array(count).fill(-2);
    this.#askedAtMs = new Float64Array(count);
    this.#firstByteMs = new Float32Array(count);
    this.#tookMs = new Float32Array(count);
    this.#requests = new Uint16Array(count);
    this.#others = new Array<string>(count).fill("");
    for (const index of held) this.#from[index] = -1;
  }

  /** From now on the time goes to `doing`. */
  spend(doing: Doing, now: number): void {
    if (doing === this.#doing) return;
    this.#spentMs[this.#doing] += now - this.#sinceMs;
    this.#doing = doing;
    this.#sinceMs = now;
  }

  /** Peers that are new count as met now. */
  onMet(now: number): void {
    for (const peer of this.#peers) this.#tally(peer, now);
  }

  onAnswered(peer: DownloadPeer, now: number): void {
    const tally = this.#tally(peer, now);
    tally.connectMs ??= now - this.#startedMs - tally.metAtMs;
  }

  /** `others`: see PieceAccounts. */
  onRequested({ peer, index, startedMs }: Omit<Came, "receiver">, others: string): void {
    this.#tally(peer, startedMs).requests++;
    this.#requests[index]!++;
    this.#others[index] = others;
    for (let slot = 0; slot < others.length; slot++) {
      if (others[slot] === "s") this.#tally(this.#peers[slot]!, startedMs).leftOut++;
    }
  }

  onHeld({ peer, index, startedMs, receiver }: Came, now: number): void {
    const { firstByteAtMs = now, hashMs, diskMs } = receiver;
    const firstByteMs = firstByteAtMs - startedMs;
    const tookMs = now - startedMs;
    const tally = this.#tally(peer, now);
    tally.firstByteMs += firstByteMs;
    // A peer that the tracker calls complete is asked for pieces without a poll.
    tally.connectMs ??= firstByteMs;
    this.#from[index] = peer.slot;
    this.#askedAtMs[index] = startedMs - this.#startedMs;
    this.#firstByteMs[index] = firstByteMs;
    this.#tookMs[index] = tookMs;
    this.#requestMs.firstByte += firstByteMs;
    if (receiver.peerTiming) this.#onTimed(tally, receiver.peerTiming, firstByteMs);
    this.#requestMs.hashing += hashMs;
    this.#requestMs.disk += diskMs;
    this.#requestMs.transfer += Math.max(0, tookMs - firstByteMs - hashMs - diskMs);
  }

  /** A peer's own times count only as far as they fit into the observed time, `firstByteMs`. */
  #onTimed(tally: PeerTally, timing: PeerTiming, firstByteMs: number): void {
    const limitMs = Math.min(timing.limitMs, firstByteMs);
    const readMs = Math.min(timing.readMs, firstByteMs - limitMs);
    tally.timed++;
    tally.limitMs += limitMs;
    tally.readMs += readMs;
    this.#requestMs.peerLimit += limitMs;
    this.#requestMs.peerRead += readMs;
  }

  /** The peer gave a piece before the download began. Reported in the order in which the pieces arrived. */
  onLearned(peer: DownloadPeer, index: PieceIndex, source: PieceSource): void {
    const { askedAtMs: startedMs, firstByteAtMs, endedAtMs, hashMs } = source;
    this.spend("downloading", startedMs);
    this.onRequested({ peer, index, startedMs }, ASKED.padStart(peer.slot + 1, "o"));
    this.onHeld(
      { peer, index, startedMs, receiver: { firstByteAtMs, hashMs, diskMs: 0, peerTiming: undefined } },
      endedAtMs,
    );
    this.spend("waiting", endedAtMs);
  }

  onOvertaken(peer: DownloadPeer, now: number): void {
    this.#tally(peer, now).overtaken++;
  }

  /** The peer failed, which has already changed its standing. `index`: the requested piece, if any. */
  onFailed(peer: DownloadPeer, index: PieceIndex | undefined, error: unknown, now: number): void {
    const tally = this.#tally(peer, now);
    if (error instanceof PiezaError && error.code === "resource_exhausted") tally.refused++;
    else tally.failures++;
    const asked = index === undefined ? "asked what it has" : `asked for piece ${index + 1}`;
    const what = peer.standing.kind === "usable" ? "" : `${peer.standing.kind}: `;
    tally.notes.push({
      atMs: Math.round(now - this.#startedMs),
      text: `${what}${asked}: ${messageOf(error)}`,
    });
    if (tally.notes.length > MAX_NOTES) tally.notes.splice(1, 1);
  }

  /** Plain data that does not change later. */
  take(now: number): DownloadAccount {
    const spentMs = { ...this.#spentMs };
    spentMs[this.#doing] += now - this.#sinceMs;
    const peers = this.#peers.map((peer) => this.#accountOf(peer, now));
    return {
      elapsedMs: now - this.#startedMs,
      spentMs,
      requestMs: { ...this.#requestMs },
      trackerProblem: this.trackerProblem,
      badUrls: this.badUrls,
      peers: peers.map((peer, slot) => ({
        ...peer,
        verdict: verdictOn(peer, this.#peers[slot]!.failures, peers),
      })),
      pieces: {
        from: [...this.#from],
        askedAtMs: rounded(this.#askedAtMs),
        firstByteMs: rounded(this.#firstByteMs),
        tookMs: rounded(this.#tookMs),
        requests: [...this.#requests],
        others: [...this.#others],
      },
    };
  }

  #tally(peer: DownloadPeer, now: number): PeerTally {
    let tally = this.#tallies.get(peer);
    if (!tally) {
      const times = { firstByteMs: 0, timed: 0, limitMs: 0, readMs: 0 };
      const counts = { requests: 0, failures: 0, refused: 0, overtaken: 0, leftOut: 0 };
      tally = { ...counts, ...times, metAtMs: now - this.#startedMs, connectMs: undefined, notes: [] };
      this.#tallies.set(peer, tally);
    }
    return tally;
  }

  #accountOf(peer: DownloadPeer, now: number): Omit<PeerAccount, "verdict"> {
    const { slot, url, transport, state, reason, hasPieces, servedPieces, servedBytes } = peer.snapshot(now);
    const { firstByteMs, timed, limitMs, readMs, ...tally } = this.#tally(peer, now);
    const busyMs = peer.pace.busyMs(now);
    return {
      ...{ slot, url, transport, state, reason, hasPieces, servedPieces, servedBytes },
      ...tally,
      notes: [...tally.notes],
      busyMs,
      rate: busyMs > 0 ? (servedBytes * 1000) / busyMs : 0,
      firstByteMs: servedPieces > 0 ? firstByteMs / servedPieces : undefined,
      limitMs: timed > 0 ? limitMs / timed : undefined,
      readMs: timed > 0 ? readMs / timed : undefined,
    };
  }
}

/** A peer below this share of the others' median rate is slow. */
const SLOW_SHARE = 1 / 3;

type Judged = Omit<PeerAccount, "verdict">;

/** `failuresInARow`: since the peer's last piece. */
function verdictOn(peer: Judged, failuresInARow: number, all: readonly Judged[]): Verdict {
  if (peer.state === "banned") return "lied";
  if (peer.state === "skipped") return "skipped";
  if (failuresInARow > 0) return "failed";
  if (peer.requests === 0) return "unused";
  const rates = all.filter((other) => other !== peer && other.servedPieces > 0).map(({ rate }) => rate);
  return rates.length > 0 && peer.rate < SLOW_SHARE * median(rates) ? "slow" : "good";
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

function rounded(values: Iterable<number>): number[] {
  return Array.from(values, Math.round);
}

import { Bitfield } from "../base/bitfield.ts";
import { PeerFailed, PiezaError } from "../base/errors.ts";
import { holderInTurn } from "../base/round-robin.ts";
import type { RemotePeer } from "../ports/peer.ts";
import type { SwarmPeer, SwarmTable } from "../ports/tracker.ts";
import { type PieceIndex, pieceNumber } from "../torrent/piece.ts";
import type { DownloadInput } from "./download-input.ts";
import { DownloadPeer, type PieceRequest, pauseEndMs } from "./download-peer.ts";
import type { PieceSource } from "./learned-pieces.ts";
import type { DownloadOptions } from "./options.ts";
import type { PiecePicker } from "./picker.ts";

/** Peers that a download remembers: ten tables of 50. A tracker that names more is not believed. */
const MAX_PEERS = 500;
/** The pause between two polls over all peers: a large swarm must not cost more in polls than it gives. */
const MIN_BETWEEN_POLLS_MS = 50;
/** Pieces that a peer may turn out to lack before it gets a pause. */
const MAX_LACKS = 3;
/** The pause of a failed peer while no peer gives anything, spread at random: the last holder may be back soon. */
const LONE_PAUSE_MS = 1_300;
/** The most such pauses; they outlast a lease. A peer that still fails may never return, and many may wait for it. */
const MAX_LONE_FAILURES = 30;
/** A table with fewer peers names the whole swarm. A longer one may be a part of it, another part each time. */
const PART_OF_A_SWARM = 16;
/** The random part of a pause of `lacksMs`, so that peers found out together do not return together. */
const DISTRUST_JITTER = 0.25;

/**
 * Our place among the incomplete peers of the table. Downloads that run at the same time see the same table, so each
 * fetches other pieces from the seeder first and has something to give to the others.
 */
interface Share {
  readonly place: number;
  readonly of: number;
}

export interface SwarmInput extends Pick<DownloadInput, "connect" | "isSelf" | "clock" | "random"> {
  readonly picker: PiecePicker;
  readonly options: Required<DownloadOptions>;
}

/**
 * The peers that a download has met, in that order, and each one's standing. Reports each peer's pieces to the
 * picker, which knows a peer exactly while it is usable and has said what it has. Synchronous; the download calls it.
 */
export class Swarm {
  /** Every peer met: `peers[slot]`. */
  readonly peers: DownloadPeer[] = [];
  readonly #input: SwarmInput;
  readonly #byUrl = new Map<string, DownloadPeer>();
  #table: SwarmTable | undefined;
  /** The URLs in the last table; empty without an answer, undefined if the table may be a part of the swarm. */
  #named: ReadonlySet<string> | undefined = new Set();
  #share: Share | undefined;

  constructor(input: SwarmInput) {
    this.#input = input;
  }

  /** Peers that can be asked for pieces now. */
  usable(): DownloadPeer[] {
    return this.peers.filter((peer) => peer.usable && peer.has);
  }

  /** A peer that is being asked for the piece now. */
  /** The requests under way at all peers, by slot. */
  requests(): PieceRequest[] {
    return this.peers.flatMap((peer) => [...peer.requests.values()]);
  }

  get connecting(): boolean {
    return this.peers.some((peer) => peer.connecting);
  }

  requesterOf(index: PieceIndex): DownloadPeer | undefined {
    return this.peers.find((peer) => peer.requests.has(index));
  }

  /** A tracker's answer. A peer named no more stays: only it knows if it is gone. One named again may be back. */
  onTable(table: SwarmTable): void {
    this.#table = table;
    this.#share = this.#shareIn(table);
    for (const named of table.peers) {
      if (this.#input.isSelf?.(named.url)) continue;
      const peer = this.#byUrl.get(named.url) ?? this.#meet(named);
      if (peer && !peer.spoke) this.#offer(peer, named.bitfield);
      if (peer && this.#named?.has(named.url) === false) this.#onBack(peer);
    }
    const urls = table.peers.map(({ url }) => url);
    this.#named = urls.length < PART_OF_A_SWARM ? new Set(urls) : undefined;
  }

  /** No tracker answers. A failed peer that the next answer names may have been away as well. */
  onNoTable(): void {
    this.#named = new Set();
  }

  #onBack(peer: DownloadPeer): void {
    const { standing } = peer;
    if (standing.kind !== "backing off" || standing.soonMs === undefined) return;
    peer.standing = { ...standing, soonMs: this.#input.clock.now() };
  }

  /** A peer gave a piece, one of `count`, before the download began. Returns undefined for a peer too many. */
  onLearned(source: PieceSource, index: PieceIndex, bytes: number, count: number): DownloadPeer | undefined {
    const { url, legacy, askedAtMs } = source;
    const peer = this.#byUrl.get(url) ?? this.#meet({ url, legacy }, askedAtMs);
    if (!peer) return undefined;
    const has = peer.has?.clone() ?? new Bitfield(count);
    has.set(index);
    this.#offer(peer, has);
    peer.onLearned(source, bytes);
    return peer;
  }

  /** The peer's own bitfield: from now on its word counts, not the tracker's. */
  onBitfield(peer: DownloadPeer, has: Bitfield): void {
    const now = this.#input.clock.now();
    const denied = peer.doubted && !peer.proven ? peer.deniedOf(has, now) : undefined;
    peer.polling = false;
    peer.spoke = true;
    peer.doubted = false;
    peer.nextPollMs = now + this.#pollAfterMs(peer, has);
    this.#offer(peer, has);
    if (denied === undefined) return;
    const message = `says that it has piece ${pieceNumber(denied)}, and does not give it`;
    this.#distrust(peer, denied, new PeerFailed("not_found", message));
  }

  /** A peer that gains pieces is asked again soon, so that not every peer has to fetch these from the seeder. */
  #pollAfterMs(peer: DownloadPeer, has: Bitfield): number {
    const { bitfieldPollMinMs, bitfieldPollMaxMs } = this.#input.options;
    const gained = !peer.has || has.count > peer.has.count;
    peer.pollMs = gained ? bitfieldPollMinMs : Math.min(bitfieldPollMaxMs, 2 * peer.pollMs);
    const incomplete = this.peers.filter((other) => other.usable && !other.has?.complete).length;
    return Math.max(peer.pollMs, incomplete * MIN_BETWEEN_POLLS_MS);
  }

  /**
   * The peer lacks this piece after all: others are asked for it, and the peer is asked for its bitfield. A peer that
   * has given something is honest and is asked on; one that has not must first say itself that it lacks the piece.
   */
  onLacks(peer: DownloadPeer, index: PieceIndex, error: PiezaError): void {
    peer.lacks.set(index, this.#input.clock.now() + this.#input.options.lacksMs);
    peer.doubted = true;
    peer.nextPollMs = this.#input.clock.now();
    const often = peer.lacks.size >= MAX_LACKS;
    // A legacy peer cannot be asked for its bitfield: the tracker has it from the peer.
    if (!peer.proven && (often || peer.legacy)) this.#distrust(peer, index, error);
    else if (often) this.backOff(peer, error);
    else if (peer.has) this.#offer(peer, peer.has);
  }

  /**
   * The peer claims a piece that it does not give: it is asked again once in `lacksMs`, unless no other peer claims
   * to have the piece. A crowd of such peers costs a download one call each in that time.
   */
  #distrust(peer: DownloadPeer, index: PieceIndex, because: PiezaError): void {
    const { lacksMs } = this.#input.options;
    const others = this.peers.some((other) => other !== peer && other.usable && other.gives(index));
    if (!others) this.backOff(peer, because);
    else this.#pause(peer, lacksMs * (1 + DISTRUST_JITTER * this.#input.random()), because);
  }

  /** Never asks the peer again in this download. Its requests must have ended. */
  exclude(peer: DownloadPeer, kind: "banned" | "skipped", because: unknown): void {
    peer.standing = { kind, because };
    this.#input.picker.onPeerGone(peer.slot);
    peer.remote?.close();
  }

  /** The peer failed: a pause, doubled by every failure in a row. Its other requests may still succeed. */
  backOff(peer: DownloadPeer, error: unknown): void {
    if (!peer.usable) return;
    const { random, options } = this.#input;
    const known = error instanceof PiezaError ? error : undefined;
    if (known?.code !== "resource_exhausted") peer.failures++;
    const doubledMs = options.backOffMinMs * 2 ** Math.max(0, Math.min(peer.failures, 30) - 1);
    const spread = 0.75 + random() / 2;
    const pauseMs = Math.min(options.backOffMaxMs, known?.retryAfterMs ?? doubledMs) * spread;
    // A peer that asked for its pause is there, and gets it.
    if (known?.code === "resource_exhausted" || known?.retryAfterMs !== undefined)
      this.#pause(peer, pauseMs, error);
    else if (peer.failures > MAX_LONE_FAILURES) this.#pause(peer, pauseMs, error, pauseMs);
    else this.#pause(peer, pauseMs, error, Math.min(pauseMs, LONE_PAUSE_MS * spread));
  }

  /** `soon`: the pause while no peer gives anything, if that may be shorter. */
  #pause(peer: DownloadPeer, ms: number, because: unknown, soon?: number): void {
    const now = this.#input.clock.now();
    const soonMs = soon === undefined ? undefined : now + soon;
    peer.standing = { kind: "backing off", untilMs: now + ms, soonMs, because };
    this.#input.picker.onPeerGone(peer.slot);
  }

  /** Called a few times a second. */
  markProgress(now: number): void {
    for (const { requests } of this.peers)
      for (const { progress, receiver } of requests.values()) progress.mark(now, receiver.arrivedBytes);
  }

  /** Ends every pause: the next `revive` asks the failed peers again. */
  wake(): void {
    const untilMs = this.#input.clock.now();
    for (const peer of this.peers) {
      if (peer.standing.kind === "backing off") peer.standing = { ...peer.standing, untilMs };
    }
  }

  /** Ends the pauses that are over; `idle`: no peer gives anything now. Returns the peers to poll for bitfields. */
  revive(idle: boolean): DownloadPeer[] {
    const now = this.#input.clock.now();
    const due: DownloadPeer[] = [];
    for (const peer of this.peers) {
      peer.forgetOldPace(now);
      if (peer.standing.kind === "backing off" && pauseEndMs(peer.standing, idle) <= now) {
        peer.standing = { kind: "usable" };
        peer.nextPollMs = now;
        if (peer.has) this.#offer(peer, peer.has);
      }
      // A complete peer is not polled for news, from which this would follow.
      if (peer.has && peer.mayHaveAgain(now)) this.#offer(peer, peer.has);
      const newsPossible = !peer.legacy && (peer.doubted || !peer.has?.complete);
      if (peer.usable && newsPossible && !peer.polling && peer.nextPollMs <= now) due.push(peer);
    }
    return due;
  }

  /** Which of equally rare pieces to request: of an unmeasured peer those of its turn, of a seeder our share. */
  preference(peer: DownloadPeer): ((index: PieceIndex) => boolean) | undefined {
    if (peer.pace.rate === undefined) return (index) => this.#hasTurn(peer, index);
    const share = this.#share;
    return share && peer.has?.complete ? (index) => index % share.of === share.place : undefined;
  }

  #shareIn({ peers }: SwarmTable): Share | undefined {
    const incomplete = peers.filter(({ bitfield }) => !bitfield.complete);
    const place = incomplete.findIndex(({ url }) => this.#input.isSelf?.(url));
    return place < 0 ? undefined : { place, of: incomplete.length };
  }

  #hasTurn(peer: DownloadPeer, index: PieceIndex): boolean {
    if (!this.#table) return false;
    const holders = this.#table.peers.filter(({ bitfield }) => bitfield.has(index));
    if (holders.length === 0) return false;
    return holders[holderInTurn(this.#table.turn, pieceNumber(index), holders.length)]?.url === peer.url;
  }

  #meet(
    { url, legacy = false }: Pick<SwarmPeer, "url" | "legacy">,
    now = this.#input.clock.now(),
  ): DownloadPeer | undefined {
    if (this.peers.length >= MAX_PEERS) return undefined;
    let remote: RemotePeer | undefined;
    let because: unknown;
    try {
      remote = this.#input.connect(url, legacy);
    } catch (error) {
      because = error;
    }
    const peer = new DownloadPeer(this.peers.length, url, legacy, remote, now);
    if (!remote) peer.standing = { kind: "skipped", because };
    this.#byUrl.set(url, peer);
    this.peers.push(peer);
    return peer;
  }

  #offer(peer: DownloadPeer, has: Bitfield): void {
    peer.has = has;
    const offers = peer.offers(this.#input.clock.now());
    if (peer.usable && offers) this.#input.picker.onBitfield(peer.slot, offers);
  }
}

import { Bitfield } from "../base/bitfield.ts";
import type { Clock, Random } from "../base/clock.ts";
import { PeerFailed, PiezaError } from "../base/errors.ts";
import { holderInTurn } from "../base/round-robin.ts";
import type { RemotePeer } from "../ports/peer.ts";
import type { SwarmPeer, SwarmTable } from "../ports/tracker.ts";
import { type PieceIndex, pieceNumber } from "../torrent/piece.ts";
import { DownloadPeer, pauseEndMs } from "./download-peer.ts";
import type { PieceSource } from "./learned-pieces.ts";
import type { DownloadOptions } from "./options.ts";
import type { PiecePicker } from "./picker.ts";

/** Peers that a download remembers: ten tables of 50. A tracker that names more is not believed. */
const MAX_PEERS = 500;
/** Bitfields are asked for no faster than that, over all peers, so that a large swarm does not talk more than it gives. */
const MIN_BETWEEN_POLLS_MS = 50;
/** Pieces that a peer may turn out to lack before it is given a pause. */
const MAX_LACKS = 3;
/** While nobody gives anything, who failed is asked again so soon, at random around it: it may be the last holder, and be back. */
const LONE_PAUSE_MS = 1_300;
/** So often, which takes longer than a lease: who goes on failing may never return, and those who wait for it may be many. */
const MAX_LONE_FAILURES = 30;
/** A table of fewer peers names everybody; a longer one may be a part of the swarm, and another part each time. */
const PART_OF_A_SWARM = 16;
/** Part of a pause of `lacksMs` by which it may be longer, so that many who were found out together do not return so. */
const DISTRUST_JITTER = 0.25;

/**
 * Our place among the incomplete peers of the table: who downloads at the same time sees the same table, so each fetches
 * other pieces from the seeder first and has something to give to the others.
 */
interface Share {
  readonly place: number;
  readonly of: number;
}

export interface SwarmInput {
  readonly picker: PiecePicker;
  /** Makes the way to a peer. A PiezaError thrown here means: cannot be used from here, and why. */
  readonly connect: (url: string, legacy: boolean) => RemotePeer;
  readonly isSelf?: ((url: string) => boolean) | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly options: Required<DownloadOptions>;
}

/**
 * The peers that a download has met, in the order met, and how each stands. Tells the picker what each offers: a peer
 * is known to the picker exactly while it is usable and has said what it has. Synchronous; the download calls it.
 */
export class Swarm {
  /** Every peer met: `peers[slot]`. */
  readonly peers: DownloadPeer[] = [];
  readonly #input: SwarmInput;
  readonly #byUrl = new Map<string, DownloadPeer>();
  #table: SwarmTable | undefined;
  /** Whom the last answer named, or nobody if there was none; undefined if that may be a part of the swarm. */
  #named: ReadonlySet<string> | undefined = new Set();
  #share: Share | undefined;

  constructor(input: SwarmInput) {
    this.#input = input;
  }

  /** Peers that can be asked for pieces now. */
  usable(): DownloadPeer[] {
    return this.peers.filter((peer) => peer.usable && peer.has);
  }

  /** One of those that are asked for the piece now. */
  requesterOf(index: PieceIndex): DownloadPeer | undefined {
    return this.peers.find((peer) => peer.requests.has(index));
  }

  /**
   * The tracker named these. Peers that it no longer names stay: only they themselves know whether they are gone. One that
   * it names again may be back.
   */
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

  /** No tracker answers: who failed and is named by the next answer may have been away as well. */
  onNoTable(): void {
    this.#named = new Set();
  }

  #onBack(peer: DownloadPeer): void {
    const { standing } = peer;
    if (standing.kind !== "backing off" || standing.soonMs === undefined) return;
    peer.standing = { ...standing, soonMs: this.#input.clock.now() };
  }

  /** Who gave a piece before the download began, one of `count`. Undefined if that is a peer too many. */
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

  /** The peer told what it has: from now on its word counts, not the tracker's. */
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

  /** Who gains pieces is asked again soon, so that what has come to one does not have to come from the seeder to all. */
  #pollAfterMs(peer: DownloadPeer, has: Bitfield): number {
    const { bitfieldPollMinMs, bitfieldPollMaxMs } = this.#input.options;
    const gained = !peer.has || has.count > peer.has.count;
    peer.pollMs = gained ? bitfieldPollMinMs : Math.min(bitfieldPollMaxMs, 2 * peer.pollMs);
    const incomplete = this.peers.filter((other) => other.usable && !other.has?.complete).length;
    return Math.max(peer.pollMs, incomplete * MIN_BETWEEN_POLLS_MS);
  }

  /**
   * Without this piece after all: others are asked for it, and it is asked what it has. One that has given something
   * already is honest, and goes on being asked for its others; one that has not has to say first that it lacks the piece.
   */
  onLacks(peer: DownloadPeer, index: PieceIndex, error: PiezaError): void {
    peer.lacks.set(index, this.#input.clock.now() + this.#input.options.lacksMs);
    peer.doubted = true;
    peer.nextPollMs = this.#input.clock.now();
    const often = peer.lacks.size >= MAX_LACKS;
    // A legacy peer cannot be asked what it has: the tracker knows it from itself.
    if (!peer.proven && (often || peer.legacy)) this.#distrust(peer, index, error);
    else if (often) this.backOff(peer, error);
    else if (peer.has) this.#offer(peer, peer.has);
  }

  /**
   * It names what it does not give: it is asked again once in `lacksMs`, unless nobody else says to have the piece. A
   * crowd of such peers costs a download one call each in that time.
   */
  #distrust(peer: DownloadPeer, index: PieceIndex, because: PiezaError): void {
    const { lacksMs } = this.#input.options;
    const others = this.peers.some((other) => other !== peer && other.usable && other.gives(index));
    if (!others) this.backOff(peer, because);
    else this.#pause(peer, lacksMs * (1 + DISTRUST_JITTER * this.#input.random()), because);
  }

  /** Sent what was not the piece: never again in this download. Its requests must have ended. */
  ban(peer: DownloadPeer, because: unknown): void {
    peer.standing = { kind: "banned", because };
    this.#input.picker.onPeerGone(peer.slot);
    peer.remote?.close();
  }

  /** Cannot give us anything, whatever it has: not asked again in this download. Its requests must have ended. */
  skip(peer: DownloadPeer, because: unknown): void {
    peer.standing = { kind: "skipped", because };
    this.#input.picker.onPeerGone(peer.slot);
    peer.remote?.close();
  }

  /** Failed: a pause, doubled by every failure in a row. What else is under way there may still succeed. */
  backOff(peer: DownloadPeer, error: unknown): void {
    if (!peer.usable) return;
    const { random, options } = this.#input;
    const known = error instanceof PiezaError ? error : undefined;
    if (known?.code !== "resource_exhausted") peer.failures++;
    const doubledMs = options.backOffMinMs * 2 ** Math.max(0, Math.min(peer.failures, 30) - 1);
    const spread = 0.75 + random() / 2;
    const pauseMs = Math.min(options.backOffMaxMs, known?.retryAfterMs ?? doubledMs) * spread;
    // One that asked for its pause is there, and gets it.
    if (known?.code === "resource_exhausted" || known?.retryAfterMs !== undefined)
      this.#pause(peer, pauseMs, error);
    else if (peer.failures > MAX_LONE_FAILURES) this.#pause(peer, pauseMs, error, pauseMs);
    else this.#pause(peer, pauseMs, error, Math.min(pauseMs, LONE_PAUSE_MS * spread));
  }

  /** `soon` is the pause while nothing is under way, if that may shorten it. */
  #pause(peer: DownloadPeer, ms: number, because: unknown, soon?: number): void {
    const now = this.#input.clock.now();
    const soonMs = soon === undefined ? undefined : now + soon;
    peer.standing = { kind: "backing off", untilMs: now + ms, soonMs, because };
    this.#input.picker.onPeerGone(peer.slot);
  }

  /** Ends every pause: the next `revive` asks who failed again. */
  wake(): void {
    const untilMs = this.#input.clock.now();
    for (const peer of this.peers) {
      if (peer.standing.kind === "backing off") peer.standing = { ...peer.standing, untilMs };
    }
  }

  /**
   * Ends the pauses that are over; `idle` is whether nobody gives anything now. Returns the peers that are to be asked for their
   * bitfield now.
   */
  revive(idle: boolean): DownloadPeer[] {
    const now = this.#input.clock.now();
    const due: DownloadPeer[] = [];
    for (const peer of this.peers) {
      if (peer.standing.kind === "backing off" && pauseEndMs(peer.standing, idle) <= now) {
        peer.standing = { kind: "usable" };
        peer.nextPollMs = now;
        if (peer.has) this.#offer(peer, peer.has);
      }
      // One that says it has everything is not asked for news, from which this would follow.
      if (peer.has && peer.mayHaveAgain(now)) this.#offer(peer, peer.has);
      const newsPossible = !peer.legacy && (peer.doubted || !peer.has?.complete);
      if (peer.usable && newsPossible && !peer.polling && peer.nextPollMs <= now) due.push(peer);
    }
    return due;
  }

  /**
   * Which of equally rare pieces to ask this peer for. As long as it is unmeasured, those for which the tracker's
   * round-robin names it; of a seeder, those of our share.
   */
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
    const peer = new DownloadPeer({ slot: this.peers.length, url, legacy, remote, now });
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

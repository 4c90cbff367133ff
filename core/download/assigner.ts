import type { RateLimit } from "../base/rate-limit.ts";
import type { PieceGeometry, PieceIndex } from "../torrent/piece.ts";
import { tooSlow } from "./assignment.ts";
import { Breadth } from "./breadth.ts";
import type { DownloadPeer } from "./download-peer.ts";
import { ASKED, MAX_EXPLAINED_PEERS, type WhyNot } from "./explain.ts";
import { type Choice, Hedging } from "./hedging.ts";
import type { Swarm, SwarmInput } from "./swarm.ts";

export interface AssignerInput extends Pick<SwarmInput, "picker" | "clock" | "options"> {
  readonly swarm: Swarm;
  readonly geometry: PieceGeometry;
  readonly limit: RateLimit | undefined;
  /** Called when more requests may have become possible. */
  readonly onRoom: () => void;
}

/** One piece to request from one peer. */
export interface Assignment extends Choice {
  readonly peer: DownloadPeer;
  /** Why no other peer is asked: see PieceAccounts in explain.ts. */
  readonly others: string;
}

/** Decides which peer to ask for which piece next. Makes no request: the download does, and keeps the books. */
export class Assigner {
  /** Bytes requested and not yet stored; the download counts them. */
  inFlightBytes = 0;
  /** At the last look, no request was possible and none was under way. */
  idle = false;
  /** A request was possible but held back: by the rate limit, or by a store that takes the pieces in order. */
  heldBack: "limited" | "blocked" | undefined;
  readonly breadth: Breadth;
  readonly #input: AssignerInput;
  /** Made when first needed; the next request makes it untrue. */
  #hedging: Hedging | undefined;

  constructor(input: AssignerInput) {
    this.#input = input;
    this.breadth = new Breadth(input.geometry.pieceLength);
  }

  /**
   * Yields one request a round for each peer with room, the promptest first. The caller makes it before the next.
   * `focusedOnly`: only the pieces that readers wait for.
   */
  *assignments(focusedOnly = false): Generator<Assignment> {
    this.heldBack = undefined;
    this.idle = false;
    this.#hedging = undefined;
    const usable = this.#input.swarm.usable();
    const { pieceLength } = this.#input.geometry;
    const promptness = (peer: DownloadPeer) => peer.pace.expectedMs(pieceLength) ?? 0;
    usable.sort((a, b) => promptness(a) - promptness(b));
    for (let given = true; given; ) {
      given = false;
      for (const peer of usable) {
        const choice = this.#hasWindow(peer) ? this.#choiceFor(peer, usable, focusedOnly) : undefined;
        if (!choice) continue;
        const { index } = choice;
        if (!this.#inRate(index)) {
          this.heldBack = "limited";
          return;
        }
        given = true;
        yield { peer, ...choice, others: this.#whyNotOthers(peer, index, usable) };
        this.#hedging = undefined;
      }
    }
    if (this.#input.picker.atHorizon) this.heldBack = "blocked";
    this.idle = this.inFlightBytes === 0 && !this.heldBack;
  }

  /** A request for a piece of `bytes` ended after `arrived` of them. */
  onEnded(bytes: number, arrived: number): void {
    this.inFlightBytes -= bytes;
    this.breadth.onEnded(arrived);
  }

  /** Waits no more for the rate limit. */
  stop(): void {
    this.#input.limit?.leave(this.#input.onRoom);
  }

  #inRate(index: PieceIndex): boolean {
    const { limit, geometry, onRoom } = this.#input;
    return limit === undefined || limit.take(geometry.lengthOf(index), onRoom);
  }

  /** Whether the peer itself can do with one more request. */
  #hasWindow(peer: DownloadPeer): boolean {
    const { options, geometry } = this.#input;
    const { maxInFlightPerPeer: limit } = options;
    // A peer that lacked a piece and has given none has to say again which pieces it has.
    if (peer.doubted && !peer.proven && !peer.legacy) return false;
    // A peer that has failed gets one request at a time until one succeeds.
    const most = peer.failures > 0 ? 1 : typeof limit === "function" ? limit(peer.url) : limit;
    return peer.inFlight < peer.pace.window(geometry.pieceLength, most);
  }

  /** Whether one more request fits into the bytes in flight, and into a link that peers may share. */
  #fits(peer: DownloadPeer): boolean {
    const { options, geometry, swarm, clock } = this.#input;
    if (this.inFlightBytes === 0) return true;
    if (this.inFlightBytes + geometry.pieceLength > options.maxInFlightBytes) return false;
    return this.breadth.allows(peer, swarm.peers, this.inFlightBytes, clock.now());
  }

  /** A piece that a reader waits for comes before all others. */
  #choiceFor(peer: DownloadPeer, usable: DownloadPeer[], focusedOnly: boolean): Choice | undefined {
    const { picker } = this.#input;
    if (!picker.hasFocus) return focusedOnly ? undefined : this.#unfocused(peer, usable);
    const focused = this.#focused(peer, usable);
    if (focused || focusedOnly) return focused;
    // Another request would share the peer's rate with those that a reader waits for.
    for (const index of peer.requests.keys()) if (picker.isFocused(index)) return undefined;
    const other = this.#unfocused(peer, usable);
    return other && !picker.isFocused(other.index) ? other : undefined;
  }

  /** The next piece that a reader waits for, or one of those that others are late with. */
  #focused(peer: DownloadPeer, usable: DownloadPeer[]): Choice | undefined {
    const { picker, swarm, geometry, clock } = this.#input;
    const index = picker.pickFocused(peer.slot);
    const isInTime = index !== undefined && !this.#isTooSlow(peer, index, usable, picker.idleFocused);
    const fits = this.#fits(peer);
    if (isInTime && fits) return { index };
    this.#hedging ??= new Hedging(swarm.peers, geometry, clock.now());
    if (!isInTime) return this.#hedging.hedge(peer, usable, fits, (one) => picker.isFocused(one));
    const replaces = this.#hedging.victim(peer);
    return replaces && { index, replaces };
  }

  /** A piece that nobody is asked for comes first, then one that others are late with. */
  #unfocused(peer: DownloadPeer, usable: DownloadPeer[]): Choice | undefined {
    const { picker, swarm, geometry, clock } = this.#input;
    const fits = this.#fits(peer);
    const index = picker.pick(peer.slot, swarm.preference(peer));
    // This piece is the rarest that the peer has. If others can give even that sooner, the peer is not needed.
    if (index !== undefined && this.#isTooSlow(peer, index, usable)) return undefined;
    if (index !== undefined && fits) return { index };
    this.#hedging ??= new Hedging(swarm.peers, geometry, clock.now());
    if (index === undefined) return this.#hedging.hedge(peer, usable, fits);
    const replaces = this.#hedging.victim(peer);
    return replaces && { index, replaces };
  }

  #whyNotOthers(chosen: DownloadPeer, index: PieceIndex, usable: readonly DownloadPeer[]): string {
    let letters = "";
    for (const peer of this.#input.swarm.peers.slice(0, MAX_EXPLAINED_PEERS)) {
      letters += peer === chosen ? ASKED : this.#whyNot(peer, index, usable);
    }
    return letters;
  }

  #whyNot(peer: DownloadPeer, index: PieceIndex, usable: readonly DownloadPeer[]): WhyNot {
    const { kind } = peer.standing;
    if (kind !== "usable") return kind === "banned" ? "x" : kind === "skipped" ? "k" : "w";
    if (!peer.has) return "c";
    if (!peer.has.has(index)) return "n";
    if (peer.lacks.has(index)) return "l";
    if (peer.requests.has(index)) return "r";
    if (this.#isTooSlow(peer, index, usable)) return "s";
    return this.#hasWindow(peer) && this.#fits(peer) ? "o" : "b";
  }

  /** Compared with the other peers that can give this piece. The only peer with a piece is never too slow. */
  #isTooSlow(
    peer: DownloadPeer,
    index: PieceIndex,
    usable: readonly DownloadPeer[],
    idlePieces = this.#input.picker.idle,
  ): boolean {
    const holders = usable.filter((other) => other.gives(index));
    return tooSlow(peer, holders, idlePieces, this.#input.geometry.pieceLength);
  }
}

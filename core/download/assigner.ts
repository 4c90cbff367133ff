import type { RateLimit } from "../base/rate-limit.ts";
import type { PieceGeometry, PieceIndex } from "../torrent/piece.ts";
import { MAX_REQUESTERS, tooSlow, worthHedging } from "./assignment.ts";
import type { DownloadPeer, PieceRequest } from "./download-peer.ts";
import { ASKED, MAX_EXPLAINED_PEERS, type WhyNot } from "./explain.ts";
import type { Swarm, SwarmInput } from "./swarm.ts";

export interface AssignerInput extends Pick<SwarmInput, "picker" | "clock" | "options"> {
  readonly swarm: Swarm;
  readonly geometry: PieceGeometry;
  readonly limit: RateLimit | undefined;
  /** Called when more requests may have become possible. */
  readonly onRoom: () => void;
}

/** One piece to request from one peer. */
export interface Assignment {
  readonly peer: DownloadPeer;
  readonly index: PieceIndex;
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
  readonly #input: AssignerInput;

  constructor(input: AssignerInput) {
    this.#input = input;
  }

  /** Yields one request a round for each peer with room, the promptest first. The caller makes it before the next. */
  *assignments(): Generator<Assignment> {
    this.heldBack = undefined;
    this.idle = false;
    const usable = this.#input.swarm.usable();
    const { pieceLength } = this.#input.geometry;
    const promptness = (peer: DownloadPeer) => peer.pace.expectedMs(pieceLength) ?? 0;
    usable.sort((a, b) => promptness(a) - promptness(b));
    for (let given = true; given; ) {
      given = false;
      for (const peer of usable) {
        const index = this.#hasRoom(peer) ? this.#pieceFor(peer, usable) : undefined;
        if (index === undefined) continue;
        if (!this.#inRate(index)) {
          this.heldBack = "limited";
          return;
        }
        given = true;
        yield { peer, index, others: this.#whyNotOthers(peer, index, usable) };
      }
    }
    if (this.#input.picker.atHorizon) this.heldBack = "blocked";
    this.idle = this.inFlightBytes === 0 && !this.heldBack;
  }

  /** Waits no more for the rate limit. */
  stop(): void {
    this.#input.limit?.leave(this.#input.onRoom);
  }

  #inRate(index: PieceIndex): boolean {
    const { limit, geometry, onRoom } = this.#input;
    return limit === undefined || limit.take(geometry.lengthOf(index), onRoom);
  }

  #hasRoom(peer: DownloadPeer): boolean {
    const { options, geometry } = this.#input;
    const { maxInFlightPerPeer: limit } = options;
    // A peer that lacked a piece and has given none has to say again which pieces it has.
    if (peer.doubted && !peer.proven && !peer.legacy) return false;
    // A peer that has failed gets one request at a time until one succeeds.
    const most = peer.failures > 0 ? 1 : typeof limit === "function" ? limit(peer.url) : limit;
    if (peer.inFlight >= peer.pace.window(geometry.pieceLength, most)) return false;
    return this.inFlightBytes === 0 || this.inFlightBytes + geometry.pieceLength <= options.maxInFlightBytes;
  }

  #pieceFor(peer: DownloadPeer, usable: DownloadPeer[]): PieceIndex | undefined {
    const { picker, swarm, geometry, clock } = this.#input;
    const index = picker.pick(peer.slot, swarm.preference(peer));
    // This piece is the rarest that the peer has. If others can give even that sooner, the peer is not needed.
    if (index !== undefined) return this.#isTooSlow(peer, index, usable) ? undefined : index;
    return worthHedging(peer, this.#hedgeable(peer, usable), clock.now(), geometry.pieceLength)?.index;
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
    return this.#hasRoom(peer) ? "o" : "b";
  }

  /** Compared with the other peers that can give this piece. The only peer with a piece is never too slow. */
  #isTooSlow(peer: DownloadPeer, index: PieceIndex, usable: readonly DownloadPeer[]): boolean {
    const { picker, geometry } = this.#input;
    const holders = usable.filter((other) => other.gives(index));
    return tooSlow(peer, holders, picker.idle, geometry.pieceLength);
  }

  *#hedgeable(peer: DownloadPeer, usable: readonly DownloadPeer[]): Generator<PieceRequest> {
    // A piece gets one hedge. A peer that has failed leaves it to peers that have not.
    const better = peer.failures > 0 ? usable.filter(({ failures }) => failures === 0) : [];
    for (const other of this.#input.swarm.peers) {
      if (other === peer) continue;
      for (const request of other.requests.values()) {
        const { index, receiver } = request;
        const once = this.#input.picker.requesters(index) < MAX_REQUESTERS;
        const isComing = receiver.received < this.#input.geometry.lengthOf(index);
        if (!once || !isComing || !peer.gives(index)) continue;
        if (!better.some((one) => one !== other && one.gives(index))) yield request;
      }
    }
  }
}

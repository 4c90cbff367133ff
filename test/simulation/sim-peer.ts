import type { Bitfield } from "#core/base/bitfield.ts";
import { sleep } from "#core/base/clock.ts";
import { PeerFailed, PiezaError } from "#core/base/errors.ts";
import type { PieceSink, RemotePeer } from "#core/ports/peer.ts";
import { toPeerFailed } from "#core/rpc/errors.ts";
import type { PieceIndex } from "#core/torrent/piece.ts";
import type { Ledger } from "./ledger.ts";
import type { Host, SimNet } from "./sim-net.ts";
import type { SimProcess } from "./sim-process.ts";

/** As our own clients do: nothing for so long, and a call has failed. */
const SILENCE_MS = 10_000;
/** Parts that a piece's answer comes in. */
const PARTS = 3;

/** What a peer gives for a request. */
export interface Answer {
  readonly bytes: Uint8Array;
  /** It breaks off in the middle. */
  readonly breaksOff: boolean;
  /** It has left, or will not. */
  readonly done: () => void;
}

/** A peer as others reach it. */
export interface ServingHost extends Host {
  readonly url: string;
  /** Fails as a real one does. */
  give(index: PieceIndex, caller: string): Promise<Answer>;
  bitfield(): Bitfield;
  /** Milliseconds until it has sent these bytes, behind what it is sending already. */
  sendMs(bytes: number): number;
}

export interface SimPeerParts {
  readonly net: SimNet;
  readonly from: Host & { readonly address: string };
  readonly process: SimProcess;
  readonly to: ServingHost;
  /** Of the download that asks. */
  readonly ledger: Ledger;
}

/** The way from one peer's process to another peer, over the simulated network. */
export class SimPeer implements RemotePeer {
  readonly url: string;
  readonly transport = "simulated";
  readonly #parts: SimPeerParts;
  readonly #closing = new AbortController();

  constructor(parts: SimPeerParts) {
    this.#parts = parts;
    this.url = parts.to.url;
  }

  getBitfield(signal: AbortSignal): Promise<Bitfield> {
    const { net, from, to } = this.#parts;
    return this.#during(signal, (ended) => net.call(from, to, ended, async () => to.bitfield()));
  }

  async getPiece(index: PieceIndex, sink: PieceSink, signal: AbortSignal): Promise<void> {
    const { ledger } = this.#parts;
    ledger.begin(this.url, index);
    try {
      await this.#during(signal, (ended) => this.#fetch(index, sink, ended));
      ledger.end(this.url, index, "came");
    } catch (error) {
      ledger.end(this.url, index, error instanceof Error ? error.message : String(error));
      throw error;
    }
  }

  close(): void {
    this.#closing.abort(new PeerFailed("unavailable", "closed"));
  }

  async #fetch(index: PieceIndex, sink: PieceSink, ended: AbortSignal): Promise<void> {
    const { net, from, to } = this.#parts;
    const { running } = to;
    let answer: Answer | undefined;
    try {
      const { bytes, breaksOff } = await net.call(from, to, ended, async () => {
        answer = await to.give(index, from.address);
        return answer;
      });
      const part = Math.ceil(bytes.length / PARTS);
      for (let at = 0; at < bytes.length; at += part) {
        const run = bytes.subarray(at, at + part);
        await sleep(net.clock, to.sendMs(run.length), ended);
        await net.travel(to, from, ended);
        const broke = breaksOff && at > 0;
        if (broke || to.running !== running) throw new PeerFailed("unavailable", "the connection broke");
        await sink.write(run);
      }
    } finally {
      answer?.done();
    }
  }

  async #during<T>(signal: AbortSignal, run: (ended: AbortSignal) => Promise<T>): Promise<T> {
    const error = new PeerFailed("deadline_exceeded", "it does not answer");
    try {
      const deadline = { ms: SILENCE_MS, error };
      return await this.#parts.process.during([signal, this.#closing.signal], run, deadline);
    } catch (error) {
      // As at the edges: what the other side said is its failure, all else is told as it is.
      const said = error instanceof PiezaError && error.constructor === PiezaError;
      throw said ? toPeerFailed(error) : error;
    }
  }
}

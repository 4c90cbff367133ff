import { Bitfield } from "#core/base/bitfield.ts";
import { sleep } from "#core/base/clock.ts";
import { PeerFailed } from "#core/base/errors.ts";
import { RateLimit } from "#core/base/rate-limit.ts";
import type { PieceSink, RemotePeer } from "#core/ports/peer.ts";
import type { PieceGeometry, PieceIndex } from "#core/torrent/piece.ts";
import type { Flow, FlowNet, Link } from "./flow-net.ts";

/** As our own clients do: a call fails after so long without a byte. */
const SILENCE_MS = 10_000;
/** A peer over its limit by more than this asks for a pause. */
const MAX_WAIT_MS = 1_000;

/** A peer of a scene. */
export interface FlowPlan {
  /** Bytes per second; with the number of pieces that it has sent. */
  readonly rate: number | ((sent: number) => number);
  readonly latencyMs: number;
  /** Bytes per second that it lets out over time: it asks a caller to wait, as `--limit-upload` does. Default: none. */
  readonly uploadLimit?: number | undefined;
  /** When the tracker names it. Default 0. */
  readonly joinsMs?: number;
  /**
   * "dead": nothing answers; "wrong": the bytes are no piece; "breaks off": the answer ends at half; "stops": no byte
   * follows the first half. Default: honest.
   */
  readonly lie?: "dead" | "wrong" | "breaks off" | "stops" | undefined;
}

/** A peer whose answers flow through a FlowNet. */
export class FlowPeer implements RemotePeer, Link {
  readonly url: string;
  readonly transport = "flow";
  readonly plan: FlowPlan;
  /** Requests under way, and the most that there were. */
  inFlight = 0;
  #sent = 0;
  readonly #net: FlowNet;
  readonly #geometry: PieceGeometry;
  readonly #bytes: Uint8Array;
  readonly #limit: RateLimit | undefined;

  constructor(url: string, plan: FlowPlan, net: FlowNet, geometry: PieceGeometry, bytes: Uint8Array) {
    this.url = url;
    this.plan = plan;
    this.#net = net;
    this.#geometry = geometry;
    this.#bytes = bytes;
    this.#limit = plan.uploadLimit === undefined ? undefined : new RateLimit(plan.uploadLimit, net.clock);
  }

  get rate(): number {
    const { rate } = this.plan;
    return typeof rate === "number" ? rate : rate(this.#sent);
  }

  async getBitfield(signal: AbortSignal): Promise<Bitfield> {
    await sleep(this.#net.clock, this.plan.latencyMs, signal);
    return Bitfield.full(this.#geometry.count);
  }

  async getPiece(index: PieceIndex, sink: PieceSink, signal: AbortSignal): Promise<void> {
    this.inFlight++;
    try {
      if (this.plan.lie === "dead") await this.#silence(signal);
      await sleep(this.#net.clock, this.plan.latencyMs, signal);
      this.#keepLimit(this.#geometry.lengthOf(index));
      await this.#send(index, sink, signal);
      this.#sent++;
    } finally {
      this.inFlight--;
    }
  }

  close(): void {}

  #keepLimit(bytes: number): void {
    const limit = this.#limit;
    if (!limit) return;
    const aheadMs = limit.waitMs(bytes) - (bytes * 1000) / limit.bytesPerSecond;
    if (aheadMs > MAX_WAIT_MS) {
      const retryAfterMs = Math.ceil(aheadMs - MAX_WAIT_MS / 2);
      throw new PeerFailed("resource_exhausted", "this peer's upload limit is reached", { retryAfterMs });
    }
    limit.book(bytes);
  }

  async #silence(signal: AbortSignal): Promise<never> {
    await sleep(this.#net.clock, SILENCE_MS, signal);
    throw new PeerFailed("deadline_exceeded", `no byte from ${this.url} in ${SILENCE_MS} ms`);
  }

  async #send(index: PieceIndex, sink: PieceSink, signal: AbortSignal): Promise<void> {
    const { lie } = this.plan;
    const offset = this.#geometry.offset(index);
    const length = this.#geometry.lengthOf(index);
    const whole = this.#bytes.slice(offset, offset + length);
    if (lie === "wrong") whole[length >> 1]! ^= 1;
    const end = lie === "stops" || lie === "breaks off" ? length >> 1 : length;
    let at = 0;
    await new Promise<void>((resolve, reject) => {
      const finish = (settle: () => void) => {
        this.#net.remove(flow);
        signal.removeEventListener("abort", onAbort);
        settle();
      };
      const onAbort = () => finish(() => reject(signal.reason));
      const flow: Flow = {
        link: this,
        leftBytes: end,
        deliver: (count) => {
          void sink.write(whole.subarray(at, at + count));
          at += count;
          if (at === end) finish(resolve);
        },
      };
      signal.addEventListener("abort", onAbort, { once: true });
      this.#net.add(flow);
    });
    if (lie === "stops") await this.#silence(signal);
    if (lie === "breaks off") throw new PeerFailed("unavailable", `${this.url} closed the connection`);
  }
}

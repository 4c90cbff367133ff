import type { Clock } from "#core/base/clock.ts";

/** The network moves bytes this often. */
const QUANTUM_MS = 20;

/** One answer on its way. */
export interface Flow {
  /** The link of its sender: flows of one link share its rate. */
  readonly link: Link;
  /** Bytes still to send. */
  leftBytes: number;
  /** Takes the next bytes. */
  deliver(bytes: number): void;
}

export interface Link {
  /** Bytes per second now. */
  readonly rate: number;
}

/**
 * Bytes that flow over links with a rate: each sender's own link, which its answers share evenly, and the receiver's,
 * which all of them share evenly. Without a rate of the receiver only the senders' count.
 */
export class FlowNet {
  readonly clock: Clock;
  readonly #receiverRate: number;
  readonly #flows = new Set<Flow>();
  /** Parts of bytes that were too few to be sent. */
  readonly #owed = new Map<Flow, number>();
  #ticking = false;

  constructor(clock: Clock, receiverRate = Number.POSITIVE_INFINITY) {
    this.clock = clock;
    this.#receiverRate = receiverRate;
  }

  add(flow: Flow): void {
    this.#flows.add(flow);
    if (this.#ticking) return;
    this.#ticking = true;
    this.clock.after(QUANTUM_MS, () => this.#tick());
  }

  remove(flow: Flow): void {
    this.#flows.delete(flow);
    this.#owed.delete(flow);
  }

  #tick(): void {
    const counts = new Map<Link, number>();
    for (const { link } of this.#flows) counts.set(link, (counts.get(link) ?? 0) + 1);
    const wishes = [...this.#flows].map((flow) => {
      const shareBytes = (flow.link.rate * QUANTUM_MS) / 1000 / counts.get(flow.link)!;
      return { flow, bytes: Math.min(flow.leftBytes, shareBytes + (this.#owed.get(flow) ?? 0)) };
    });
    const most = waterLevel(
      wishes.map(({ bytes }) => bytes),
      (this.#receiverRate * QUANTUM_MS) / 1000,
    );
    for (const { flow, bytes } of wishes) this.#send(flow, Math.min(bytes, most));
    if (this.#flows.size > 0) this.clock.after(QUANTUM_MS, () => this.#tick());
    else this.#ticking = false;
  }

  #send(flow: Flow, bytes: number): void {
    const whole = Math.floor(bytes + 1e-6);
    this.#owed.set(flow, bytes - whole);
    if (whole <= 0) return;
    flow.leftBytes -= whole;
    flow.deliver(whole);
  }
}

/** The most that one may have, so that all of them together have `room`. */
function waterLevel(wishes: readonly number[], room: number): number {
  let left = room;
  const ascending = [...wishes].sort((a, b) => a - b);
  for (const [at, wish] of ascending.entries()) {
    const even = left / (ascending.length - at);
    if (wish > even) return even;
    left -= wish;
  }
  return Number.POSITIVE_INFINITY;
}

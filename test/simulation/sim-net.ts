import { type Clock, type Random, sleep } from "#core/base/clock.ts";
import { PiezaError } from "#core/base/errors.ts";

/** A machine on the simulated network. */
export interface Host {
  /** Its place in the plan. */
  readonly place: number;
  readonly latencyMs: readonly [number, number];
  /** What runs there now: another object after every start, undefined while it is down. */
  readonly running: object | undefined;
}

/** The network: messages between hosts that take their time, and get lost where a link is cut. */
export class SimNet {
  readonly clock: Clock;
  readonly #random: Random;
  readonly #cuts = new Map<string, number>();

  constructor(clock: Clock, random: Random) {
    this.clock = clock;
    this.#random = random;
  }

  /** Messages from one to the other vanish, until as many `mend` as `cut`. */
  cut(from: number, to: number): void {
    this.#count(from, to, 1);
  }

  mend(from: number, to: number): void {
    this.#count(from, to, -1);
  }

  /** Resolves when what `from` sends now has arrived; never, if it gets lost. Rejects with the signal's reason. */
  async travel(from: Host, to: Host, signal: AbortSignal): Promise<void> {
    const [low, high] = from.latencyMs;
    await sleep(this.clock, low + (high - low) * this.#random(), signal);
    if (this.isCut(from.place, to.place)) await never(signal);
  }

  /** Asks `to` and brings the answer back. Fails with unavailable if nothing runs there, or not to the end. */
  async call<T>(from: Host, to: Host, signal: AbortSignal, serve: () => Promise<T>): Promise<T> {
    await this.travel(from, to, signal);
    const { running } = to;
    let answer: () => T;
    if (running) {
      answer = await serve().then(
        (value) => () => value,
        (error: unknown) => () => {
          throw error;
        },
      );
    } else {
      answer = refuse;
    }
    await this.travel(to, from, signal);
    if (to.running !== running) throw new PiezaError("unavailable", "the connection broke");
    return answer();
  }

  isCut(from: number, to: number): boolean {
    return (this.#cuts.get(`${from} ${to}`) ?? 0) > 0;
  }

  #count(from: number, to: number, by: 1 | -1): void {
    const key = `${from} ${to}`;
    this.#cuts.set(key, (this.#cuts.get(key) ?? 0) + by);
  }
}

function refuse(): never {
  throw new PiezaError("unavailable", "connection refused");
}

/** Waits until the signal is aborted, and rejects with its reason. */
function never(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) return reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

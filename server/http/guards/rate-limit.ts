import { LRUCache } from "lru-cache";
import { network } from "../base/caller.ts";

/** Addresses that one server remembers. It forgets the longest quiet one first, which only helps that caller. */
const MAX_ADDRESSES = 10_000;

/** A count of calls that several servers share. */
export interface SharedRate {
  /** Counts one call. Returns 0 if it may run or the count is out of reach, else the milliseconds to wait. */
  take(network: string): Promise<number>;
}

/** Counts one call of an address. Returns 0 if the call may run, else the milliseconds until the next one may. */
export type TakeRate = (address: string) => number | Promise<number>;

/**
 * Counts each call in this server's own buckets, and the calls that pass there in `shared` too. An address that
 * `shared` refuses is refused here until its time comes, so that a refused call costs the shared count nothing.
 */
export function sharedRate(own: CallRate, shared: SharedRate | undefined): TakeRate {
  if (!shared) return (address) => own.take(address);
  return (address) => own.take(address) || takeShared(address);

  async function takeShared(address: string): Promise<number> {
    const waitMs = await shared!.take(network(address));
    if (waitMs > 0) own.empty(address, waitMs);
    return waitMs;
  }
}

/** Lets `burst` events through at once, then `perSecond`. All times are milliseconds of one monotonic clock. */
export class TokenBucket {
  readonly #burst: number;
  readonly #perMs: number;
  #tokens: number;
  #atMs: number;

  constructor(burst: number, perSecond: number, nowMs: number) {
    this.#burst = burst;
    this.#perMs = perSecond / 1000;
    this.#tokens = burst;
    this.#atMs = nowMs;
  }

  /** Takes one token and returns 0, or takes none and returns the milliseconds until there is one. */
  take(nowMs: number): number {
    this.#tokens = Math.min(this.#burst, this.#tokens + (nowMs - this.#atMs) * this.#perMs);
    this.#atMs = nowMs;
    if (this.#tokens < 1) return Math.ceil((1 - this.#tokens) / this.#perMs);
    this.#tokens -= 1;
    return 0;
  }

  /** Takes tokens that may not be there yet: later calls wait for them. */
  charge(tokens: number): void {
    this.#tokens -= tokens;
  }

  /** Removes tokens until the next one is at least `waitMs` away. */
  empty(waitMs: number, nowMs: number): void {
    this.#tokens = Math.min(this.#tokens, 1 - waitMs * this.#perMs);
    this.#atMs = nowMs;
  }
}

/**
 * One token bucket for each address. Written here because it stands in front of every call: it takes 0.1 us of the
 * processor for a call, where rate-limiter-flexible in memory takes 0.39, and 0.92 for a refused one. That library
 * also keeps an entry and a timer for every address (487 MiB after a million), and counts in wall-clock time, which
 * may jump.
 */
export class CallRate {
  readonly #newBucket: (nowMs: number) => TokenBucket;
  readonly #now: () => number;
  readonly #buckets = new LRUCache<string, TokenBucket>({ max: MAX_ADDRESSES });

  constructor(burst: number, perSecond: number, now: () => number = () => performance.now()) {
    this.#newBucket = (nowMs) => new TokenBucket(burst, perSecond, nowMs);
    this.#now = now;
  }

  /** Takes one token of the address. Returns 0, or the milliseconds until there is one. */
  take(address: string): number {
    const key = network(address);
    const nowMs = this.#now();
    let bucket = this.#buckets.get(key);
    if (!bucket) {
      bucket = this.#newBucket(nowMs);
      this.#buckets.set(key, bucket);
    }
    return bucket.take(nowMs);
  }

  /** Takes `calls` more from an address that `take` has let pass. Its next calls wait for them. */
  charge(address: string, calls: number): void {
    this.#buckets.peek(network(address))?.charge(calls);
  }

  /** Refuses the address for `waitMs`, if it is remembered. */
  empty(address: string, waitMs: number): void {
    this.#buckets.peek(network(address))?.empty(waitMs, this.#now());
  }
}

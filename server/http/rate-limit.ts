import ipaddr from "ipaddr.js";

/** Addresses kept at most; over it, those that have been quiet longest are forgotten, which only helps them. */
const MAX_ADDRESSES = 10_000;

/**
 * A token bucket for every address: `burst` calls at once, then `perSecond`.
 *
 * In this process alone, also where trackers share a Redis: it protects one process' time, and a process has no less of
 * it because a caller also asks another. A shared count would cost a command of the store for every call, refused ones
 * too, and would leave all replicas without a limit, or without an answer, while the store is away. What callers may
 * keep, which is shared, is capped in the store.
 */
export class RateLimit {
  readonly #burst: number;
  readonly #perMs: number;
  readonly #now: () => number;
  /** Least recently used first. */
  readonly #buckets = new Map<string, { tokens: number; atMs: number }>();

  constructor(burst: number, perSecond: number, now: () => number = () => performance.now()) {
    this.#burst = burst;
    this.#perMs = perSecond / 1000;
    this.#now = now;
  }

  /** Takes one call's token. 0: go ahead; otherwise the milliseconds until there is one. */
  take(address: string): number {
    const key = network(address);
    const nowMs = this.#now();
    const bucket = this.#buckets.get(key) ?? { tokens: this.#burst, atMs: nowMs };
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    this.#forget();
    bucket.tokens = Math.min(this.#burst, bucket.tokens + (nowMs - bucket.atMs) * this.#perMs);
    bucket.atMs = nowMs;
    if (bucket.tokens < 1) return Math.ceil((1 - bucket.tokens) / this.#perMs);
    bucket.tokens -= 1;
    return 0;
  }

  #forget(): void {
    if (this.#buckets.size <= MAX_ADDRESSES) return;
    for (const oldest of this.#buckets.keys()) {
      this.#buckets.delete(oldest);
      return;
    }
  }
}

/** Whoever has one IPv6 address has its whole /64. */
export function network(address: string): string {
  if (!address.includes(":") || !ipaddr.IPv6.isValid(address)) return address;
  return ipaddr.IPv6.parse(address).parts.slice(0, 4).join(":");
}

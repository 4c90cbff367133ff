import { type Clock, type Random, sleep } from "#core/base/clock.ts";
import type { PeerLease, SwarmStore } from "../store/swarm-store.ts";
import type { ReachabilityCheck } from "./reachability.ts";

/** STARTED waits so long for its check, which takes a few milliseconds on a network that works. */
const PATIENCE_MS = 300;
/** A peer that others are told of is tried again so often, spread by a fifth. */
const RECHECK_MS = 300_000;
/** No check is put off for longer. */
const LONGEST_MS = 1.2 * RECHECK_MS + 1_000;
/** One that was not reached: then first, later each time after twice as long, up to RECHECK_MS. */
const RETRY_MS = 5_000;
/** A listed peer that fails once may just be busy. */
const FAILURES_TO_UNLIST = 2;

/** What a lease says until its first check has ended, which is due at once. */
export const BEING_CHECKED = {
  listed: false,
  notListedReason: "its address is being checked",
  checkAtSeconds: 0,
  checkFailures: 0,
};

export interface ListingsParts {
  readonly store: SwarmStore;
  readonly reachability: ReachabilityCheck;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * Decides which peers are named to others: those that were reached at their address. Writes what it finds and when to
 * look again into their leases, while announces go on, so that replicas of a tracker need not look for who was looked for a moment ago.
 */
export class Listings {
  readonly #parts: ListingsParts;
  readonly #closing = new AbortController();
  /** By lease: the check that counts, which is the latest. */
  readonly #checking = new Map<string, symbol>();
  readonly #underWay = new Set<Promise<void>>();

  constructor(parts: ListingsParts) {
    this.#parts = parts;
  }

  /** Checks a new or changed lease. Returns what it is when that is done, or after 300 ms while it goes on. */
  async check(lease: PeerLease): Promise<PeerLease> {
    if (lease.address === "") return lease;
    const { clock, store } = this.#parts;
    const enough = new AbortController();
    const patience = sleep(clock, PATIENCE_MS, enough.signal).catch(() => {});
    await Promise.race([this.#begin(lease), patience]);
    enough.abort();
    return (await store.find(lease.id)) ?? lease;
  }

  /** Checks again if it is time. Called with every announce, so that nobody is dialled who is gone. */
  async recheck(lease: PeerLease): Promise<void> {
    const { id, checkAtSeconds = 0 } = lease;
    const waitMs = 1_000 * checkAtSeconds - (await this.#parts.store.orders.now());
    // A store's clock may have been set back.
    if (waitMs > 0 && waitMs <= LONGEST_MS) return;
    if (lease.address !== "" && !this.#checking.has(id)) void this.#begin(lease);
  }

  isChecking(leaseId: string): boolean {
    return this.#checking.has(leaseId);
  }

  /** What a check that goes on finds does not count any more. */
  forget(leaseId: string): void {
    this.#checking.delete(leaseId);
  }

  /** Ends every dial. */
  async close(): Promise<void> {
    this.#closing.abort(new Error("the tracker was closed"));
    await Promise.all(this.#underWay);
  }

  /** Resolves when the lease says what was found. */
  #begin(lease: PeerLease): Promise<void> {
    const check = Symbol();
    this.#checking.set(lease.id, check);
    const counts = () => this.#checking.get(lease.id) === check;
    const done = this.#run(lease, counts)
      // The store failed, or the tracker was closed: the next announce begins again.
      .catch(() => {})
      .then(() => {
        if (counts()) this.#checking.delete(lease.id);
        this.#underWay.delete(done);
      });
    this.#underWay.add(done);
    return done;
  }

  /** `counts`: whether the lease was neither forgotten nor checked anew meanwhile. */
  async #run(lease: PeerLease, counts: () => boolean): Promise<void> {
    const { store, reachability, random } = this.#parts;
    const { listed, reason } = await reachability.check(lease, this.#closing.signal);
    const now = await store.orders.now();
    // Nothing is waited for between this and the store.
    if (!counts()) return;
    const checkFailures = listed ? 0 : (lease.checkFailures ?? 0) + 1;
    const waitMs = listed
      ? RECHECK_MS * (0.8 + 0.4 * random())
      : Math.min(RECHECK_MS, RETRY_MS * 2 ** (checkFailures - 1));
    const isSpared = !listed && lease.listed && checkFailures < FAILURES_TO_UNLIST;
    const found = isSpared ? {} : { listed, notListedReason: reason };
    await store.renew(lease.id, {
      ...found,
      checkAtSeconds: Math.ceil((now + waitMs) / 1_000),
      checkFailures,
    });
  }
}

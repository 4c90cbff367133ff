import { type Clock, type Random, sleep } from "#core/base/clock.ts";
import type { PeerLease, SwarmStore } from "../store/swarm-store.ts";
import type { ReachabilityCheck } from "./reachability.ts";

/** STARTED waits this long for its check, which takes a few milliseconds on a working network. */
const PATIENCE_MS = 300;
/** The interval at which a listed peer is checked again, varied by a fifth. */
const RECHECK_MS = 300_000;
/** No check is due later than this. */
const LONGEST_MS = 1.2 * RECHECK_MS + 1_000;
/** The first retry of a peer that was not reached; each further pause is twice as long, up to RECHECK_MS. */
const RETRY_MS = 5_000;
/** A listed peer is unlisted after this many failures in a row: after one it may just be busy. */
const FAILURES_TO_UNLIST = 2;

/** The listing of a lease before its first check, which is due at once. */
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
 * Decides which peers are named to others: those that were reached at their address. It writes the result and the
 * time of the next check into the lease, so that the replicas of a tracker do not all check the same peers.
 */
export class Listings {
  readonly #parts: ListingsParts;
  readonly #closing = new AbortController();
  /** The latest check of each lease, the only one that counts. */
  readonly #checking = new Map<string, symbol>();
  readonly #underWay = new Set<Promise<void>>();

  constructor(parts: ListingsParts) {
    this.#parts = parts;
  }

  /** Checks a new or changed lease. Returns it when that is done, or after 300 ms while the check goes on. */
  async check(lease: PeerLease): Promise<PeerLease> {
    if (lease.address === "") return lease;
    const { clock, store } = this.#parts;
    const enough = new AbortController();
    const patience = sleep(clock, PATIENCE_MS, enough.signal).catch(() => {});
    await Promise.race([this.#begin(lease), patience]);
    enough.abort();
    return (await store.find(lease.id)) ?? lease;
  }

  /** Checks a lease again if that is due. Called with each announce, so that no peer is dialled that is gone. */
  async recheck(lease: PeerLease): Promise<void> {
    const { id, checkAtSeconds = 0 } = lease;
    const waitMs = 1_000 * checkAtSeconds - (await this.#parts.store.orders.now());
    // A longer wait means that the store's clock has been set back: check now.
    if (waitMs > 0 && waitMs <= LONGEST_MS) return;
    if (lease.address !== "" && !this.#checking.has(id)) void this.#begin(lease);
  }

  isChecking(leaseId: string): boolean {
    return this.#checking.has(leaseId);
  }

  /** Discards the result of a check that is under way. */
  forget(leaseId: string): void {
    this.#checking.delete(leaseId);
  }

  /** Ends every dial. */
  async close(): Promise<void> {
    this.#closing.abort(new Error("the tracker was closed"));
    await Promise.all(this.#underWay);
  }

  /** Resolves when the result is in the lease. */
  #begin(lease: PeerLease): Promise<void> {
    const check = Symbol();
    this.#checking.set(lease.id, check);
    const counts = () => this.#checking.get(lease.id) === check;
    const done = this.#run(lease, counts)
      // The store failed or the tracker was closed. The next announce checks again.
      .catch(() => {})
      .then(() => {
        if (counts()) this.#checking.delete(lease.id);
        this.#underWay.delete(done);
      });
    this.#underWay.add(done);
    return done;
  }

  /** `counts` tells whether this is still the latest check of the lease. */
  async #run(lease: PeerLease, counts: () => boolean): Promise<void> {
    const { store, reachability, random } = this.#parts;
    const { listed, reason } = await reachability.check(lease, this.#closing.signal);
    const now = await store.orders.now();
    // No await may come between this and the write to the store.
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

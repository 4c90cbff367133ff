import { type Clock, type Random, sleep } from "#core/clock.ts";
import type { ReachabilityCheck } from "./reachability.ts";
import type { PeerLease, SwarmStore } from "./swarm-store.ts";

/** STARTED waits so long for its check, which takes a few milliseconds on a network that works. */
const PATIENCE_MS = 300;
/** A peer that others are told of is tried again so often, spread by a fifth. */
const RECHECK_MS = 300_000;
/** One that was not reached: then first, later each time after twice as long, up to RECHECK_MS. */
const RETRY_MS = 5_000;
/** A listed peer that fails once may just be busy. */
const FAILURES_TO_UNLIST = 2;
const MAX_STANDINGS = 100_000;

/** What a lease says until its first check has ended. */
export const BEING_CHECKED = { listed: false, notListedReason: "its address is being checked" };

export interface ListingsParts {
  readonly store: SwarmStore;
  readonly reachability: ReachabilityCheck;
  readonly clock: Clock;
  readonly random: Random;
  /** Leases of which it is remembered when to check them again; the others are checked with every announce. Default 100,000. */
  readonly maxStandings?: number | undefined;
}

/** What is known of one lease's address. A new check of the lease makes a new one. */
interface Standing {
  readonly failures: number;
  /** No time while it is being checked. */
  dueAtMs: number;
}

/**
 * Decides which peers are named to others: those that were reached at their address. Writes what it finds into their
 * leases, while announces go on. Each replica of a tracker checks by itself.
 */
export class Listings {
  readonly #parts: ListingsParts;
  readonly #closing = new AbortController();
  /** By lease. Checked longest ago first. */
  readonly #standings = new Map<string, Standing>();
  readonly #checks = new Set<Promise<void>>();

  constructor(parts: ListingsParts) {
    this.#parts = parts;
  }

  /** Checks a new or changed lease. Returns what it is when that is done, or after 300 ms while it goes on. */
  async check(lease: PeerLease): Promise<PeerLease> {
    if (lease.address === "") return lease;
    const { clock, store } = this.#parts;
    const enough = new AbortController();
    const patience = sleep(clock, PATIENCE_MS, enough.signal).catch(() => {});
    await Promise.race([this.#begin(lease, 0), patience]);
    enough.abort();
    return (await store.find(lease.id)) ?? lease;
  }

  /** Checks again if it is time. Called with every announce, so that nobody is dialled who is gone. */
  recheck(lease: PeerLease): void {
    if (lease.address === "") return;
    const { failures, dueAtMs } = this.#standings.get(lease.id) ?? { failures: 0, dueAtMs: 0 };
    if (this.#parts.clock.now() >= dueAtMs) void this.#begin(lease, failures);
  }

  isChecking(leaseId: string): boolean {
    return this.#standings.get(leaseId)?.dueAtMs === Number.POSITIVE_INFINITY;
  }

  forget(leaseId: string): void {
    this.#standings.delete(leaseId);
  }

  /** Ends every dial. */
  async close(): Promise<void> {
    this.#closing.abort(new Error("the tracker was closed"));
    await Promise.all(this.#checks);
  }

  /** Resolves when the lease says what was found. */
  #begin(lease: PeerLease, failures: number): Promise<void> {
    const standing: Standing = { failures, dueAtMs: Number.POSITIVE_INFINITY };
    this.#standings.delete(lease.id);
    this.#standings.set(lease.id, standing);
    const { maxStandings = MAX_STANDINGS } = this.#parts;
    if (this.#standings.size > maxStandings) this.#standings.delete(this.#standings.keys().next().value!);
    const check = this.#run(lease, standing)
      // The store failed, or the tracker was closed: the next announce begins again.
      .catch(() => this.#standings.delete(lease.id))
      .then(() => void this.#checks.delete(check));
    this.#checks.add(check);
    return check;
  }

  async #run(lease: PeerLease, standing: Standing): Promise<void> {
    const { store, reachability, clock, random } = this.#parts;
    const { listed, reason } = await reachability.check(lease, this.#closing.signal);
    if (this.#standings.get(lease.id) !== standing) return;
    const failures = listed ? 0 : standing.failures + 1;
    const waitMs = listed ? RECHECK_MS * (0.8 + 0.4 * random()) : RETRY_MS * 2 ** (failures - 1);
    this.#standings.set(lease.id, { failures, dueAtMs: clock.now() + Math.min(RECHECK_MS, waitMs) });
    if (!listed && lease.listed && failures < FAILURES_TO_UNLIST) return;
    if (listed === lease.listed && reason === lease.notListedReason) return;
    await store.renew(lease.id, { listed, notListedReason: reason });
  }
}

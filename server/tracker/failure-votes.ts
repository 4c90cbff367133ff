import type { Clock } from "#core/clock.ts";
import type { FailureReport } from "#core/tracker.ts";
import { subnetOf } from "./subnet.ts";

/** So long a report counts, and so long its network has nothing new to say of that peer. */
const VOTE_MS = 600_000;
/** Networks that must agree on a peer: one owner's machines are in one of them as a rule. */
const QUORUM = 3;
/** Peers that one lease may report in that time: as many as an answer names, and some more. */
const MAX_PER_LEASE = 64;
/** Votes that are kept; the oldest go first, which helps those that they were against. */
const MAX_VOTES = 100_000;

/**
 * What lease holders report of other peers. Reports only ever lower a peer's rank: liars could report the honest, so
 * it takes several networks to be believed, and nobody is taken out for it.
 *
 * Each replica of a tracker counts what it was told itself. A peer announces to one replica and reports to that one, so
 * with several replicas it takes longer until each of them has heard three networks, and one that has not still names the
 * peer. Reports are hints that live ten minutes and only lower a rank, and a downloader leaves who fails alone by
 * itself: that is not worth a write to the store for what anybody says, nor a wait for it before an answer.
 */
export class FailureVotes {
  readonly #clock: Clock;
  /** Oldest first; by the URL and the network. */
  readonly #votes = new Map<string, { readonly url: string; readonly untilMs: number }>();
  /** By URL: how many networks have a vote against it. */
  readonly #against = new Map<string, number>();
  /** Oldest first; by lease. */
  readonly #spent = new Map<string, { votes: number; readonly untilMs: number }>();
  #version = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Another number whenever somebody has come under suspicion or is free of it. */
  get version(): number {
    this.#forget();
    return this.#version;
  }

  isSuspect(url: string): boolean {
    return (this.#against.get(url) ?? 0) >= QUORUM;
  }

  /** Counts what the holder of a lease, calling from this address, has seen of others. */
  report(reports: readonly FailureReport[], leaseId: string, caller: string): void {
    if (reports.length === 0) return;
    this.#forget();
    const untilMs = this.#clock.now() + VOTE_MS;
    const spent = this.#spent.get(leaseId) ?? { votes: 0, untilMs };
    this.#spent.set(leaseId, spent);
    const network = subnetOf(caller);
    for (const { url } of reports) {
      const key = `${network} ${url}`;
      if (spent.votes >= MAX_PER_LEASE) return;
      if (this.#votes.has(key)) continue;
      spent.votes++;
      this.#votes.set(key, { url, untilMs });
      this.#count(url, 1);
    }
  }

  #forget(): void {
    const now = this.#clock.now();
    for (const [key, { url, untilMs }] of this.#votes) {
      if (untilMs > now && this.#votes.size <= MAX_VOTES) break;
      this.#votes.delete(key);
      this.#count(url, -1);
    }
    for (const [leaseId, { untilMs }] of this.#spent) {
      if (untilMs > now && this.#spent.size <= MAX_VOTES) break;
      this.#spent.delete(leaseId);
    }
  }

  #count(url: string, by: 1 | -1): void {
    const before = this.#against.get(url) ?? 0;
    const after = before + by;
    if (after > 0) this.#against.set(url, after);
    else this.#against.delete(url);
    if (before >= QUORUM !== after >= QUORUM) this.#version++;
  }
}

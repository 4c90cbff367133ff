import type { Clock } from "#core/base/clock.ts";
import type { FailureReport } from "#core/ports/tracker.ts";
import { subnetOf } from "./subnet.ts";

/** So long a report counts, and so long its network has nothing new to say of that peer. */
export const VOTE_MS = 600_000;
/** Networks that must agree on a peer: one owner's machines are in one of them as a rule. */
const QUORUM = 3;
/** Peers that one lease may report in that time: as many as an answer names, and some more. */
const MAX_PER_LEASE = 64;
/** Votes that are kept; the oldest go first, which helps those that they were against. */
export const MAX_VOTES = 100_000;

/** One network's report of one peer. */
export interface Vote {
  readonly network: string;
  readonly url: string;
}

/** Where replicas of a tracker tell each other what they were told. */
export interface SharedVotes {
  /** Tells the others as soon and as well as it can. Never waits, never fails. */
  tell(votes: readonly Vote[]): void;
  /** `onVote` is told every vote of the last VOTE_MS, one's own too, some more than once. */
  follow(onVote: (vote: Vote, ageMs: number) => void): void;
}

/**
 * What lease holders report of other peers. Reports only ever lower a peer's rank: liars could report the honest, so
 * it takes several networks to be believed, and nobody is taken out for it.
 *
 * Replicas of one tracker count together: each tells the others what is new to it. One that cannot, because the store is
 * away, counts what it hears itself. What one lease may say is bounded at each replica.
 */
export class FailureVotes {
  readonly #clock: Clock;
  readonly #shared: SharedVotes | undefined;
  /** Oldest first; by the URL and the network. */
  readonly #votes = new Map<string, { readonly url: string; readonly untilMs: number }>();
  /** By URL: how many networks have a vote against it. */
  readonly #against = new Map<string, number>();
  /** Oldest first; by lease. */
  readonly #spent = new Map<string, { votes: number; readonly untilMs: number }>();
  #version = 0;

  constructor(clock: Clock, shared?: SharedVotes) {
    this.#clock = clock;
    this.#shared = shared;
    shared?.follow((vote, ageMs) => void this.#add(vote, VOTE_MS - ageMs));
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
    const news: Vote[] = [];
    for (const { url } of reports) {
      if (spent.votes >= MAX_PER_LEASE) break;
      const vote = { network, url };
      if (!this.#add(vote, VOTE_MS)) continue;
      spent.votes++;
      news.push(vote);
    }
    if (news.length > 0) this.#shared?.tell(news);
  }

  /** Returns whether that is new. */
  #add({ network, url }: Vote, forMs: number): boolean {
    const key = `${network} ${url}`;
    if (forMs <= 0 || this.#votes.has(key)) return false;
    this.#votes.set(key, { url, untilMs: this.#clock.now() + forMs });
    this.#count(url, 1);
    return true;
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

import type { Clock } from "#core/base/clock.ts";
import type { FailureReport } from "#core/ports/tracker.ts";
import { subnetOf } from "../../http/base/caller.ts";
import { tally } from "./tally.ts";

/** A vote counts for this long. Until then a second vote of the same network against the same peer adds nothing. */
export const VOTE_MS = 600_000;
/** Networks that must report a peer before it is suspect. The machines of one owner usually share a network. */
const QUORUM = 3;
/** Peers that one lease may report within VOTE_MS: a little more than the 50 that an answer names. */
const MAX_PER_LEASE = 64;
/** Votes kept in memory. The oldest are dropped first, which favours the peers that were reported. */
export const MAX_VOTES = 100_000;

/** The report of one network against one peer. */
export interface Vote {
  readonly network: string;
  readonly url: string;
}

/** Exchanges votes between the replicas of a tracker. */
export interface SharedVotes {
  /** Sends votes to the other replicas on a best effort. Never waits and never throws. */
  tell(votes: readonly Vote[]): void;
  /** Calls `onVote` for each vote of the last VOTE_MS, including this replica's own; some come more than once. */
  follow(onVote: (vote: Vote, ageMs: number) => void): void;
}

/**
 * Counts what lease holders report of other peers. A report only lowers a peer's rank and never removes it, and
 * several networks have to agree, because liars could report honest peers. Answers name some suspects after all
 * other peers (see locate/named-peers.ts).
 *
 * Replicas of one tracker share their votes; while the store is away, each counts only its own. The cap for one lease
 * applies at each replica.
 */
export class FailureVotes {
  readonly #clock: Clock;
  readonly #shared: SharedVotes | undefined;
  /** Votes by network and URL, oldest first. */
  readonly #votes = new Map<string, { readonly url: string; readonly untilMs: number }>();
  /** Networks that have a vote against a URL. */
  readonly #against = new Map<string, number>();
  /** Votes that each lease has cast, oldest lease first. */
  readonly #spent = new Map<string, { votes: number; readonly untilMs: number }>();
  #version = 0;

  constructor(clock: Clock, shared?: SharedVotes) {
    this.#clock = clock;
    this.#shared = shared;
    shared?.follow((vote, ageMs) => void this.#add(vote, VOTE_MS - ageMs));
  }

  /** Grows each time that a peer becomes suspect or stops being suspect. */
  get version(): number {
    this.#forget();
    return this.#version;
  }

  isSuspect(url: string): boolean {
    return (this.#against.get(url) ?? 0) >= QUORUM;
  }

  /** Counts the reports of the lease `leaseId`, whose peer called from the address `caller`. */
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

  /** Returns whether the vote is new. */
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
    const votes = tally(this.#against, url, by);
    if (votes - by >= QUORUM !== votes >= QUORUM) this.#version++;
  }
}

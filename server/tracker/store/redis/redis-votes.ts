import type { Clock } from "#core/base/clock.ts";
import { MAX_VOTES, type SharedVotes, VOTE_MS, type Vote } from "../failure-votes.ts";
import type { RedisParts } from "./leases.ts";
import * as scripts from "./scripts.ts";

/** What one tracker is told, the others know after that. */
const READ_MS = 1_000;
/** Votes read with one command. */
const READ_CHUNK = 1_000;
/** Longer texts are no network and no URL that a tracker wrote. */
const MAX_TEXT = 2_048;

/**
 * The votes of all trackers over one Redis, in a stream that forgets by itself. A tracker adds to it when it is told
 * something new, which nobody waits for, and reads on in it once a second: no answer ever needs Redis for a vote.
 */
export class RedisVotes implements SharedVotes {
  readonly #parts: RedisParts;
  readonly #clock: Clock;
  /** The id of the last entry read; empty: none yet. */
  #cursor = "";
  #cancelTimer = () => {};
  #reading: Promise<void> | undefined;
  #closed = false;

  constructor(parts: RedisParts, clock: Clock) {
    this.#parts = parts;
    this.#clock = clock;
  }

  tell(votes: readonly Vote[]): void {
    const { connection, keys } = this.#parts;
    const pairs = votes.flatMap(({ network, url }) => [network, url]);
    // A hint: whoever told it tells it again if it still holds, and this tracker counts it by itself meanwhile.
    connection.script(scripts.tellVotes, [keys.votes], [MAX_VOTES, VOTE_MS, ...pairs]).catch(() => {});
  }

  follow(onVote: (vote: Vote, ageMs: number) => void): void {
    this.#cancelTimer = this.#clock.after(READ_MS, () => {
      this.#reading ??= this.#readOn(onVote)
        // Redis is away; the next time reads on.
        .catch(() => {})
        .finally(() => {
          this.#reading = undefined;
        });
      if (!this.#closed) this.follow(onVote);
    });
  }

  /** Redis is there, anew perhaps: what it has may be none of what was read. */
  rewind(): void {
    this.#cursor = "";
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelTimer();
    await this.#reading;
  }

  async #readOn(onVote: (vote: Vote, ageMs: number) => void): Promise<void> {
    const { connection, keys, onGarbage } = this.#parts;
    for (let left = MAX_VOTES; left > 0 && !this.#closed; left -= READ_CHUNK) {
      const args = [this.#cursor, VOTE_MS, READ_CHUNK];
      const [now, entries] = (await connection.script(scripts.readVotes, [keys.votes], args)) as [
        number,
        [Buffer, Buffer[]][],
      ];
      for (const [id, fields] of entries) {
        this.#cursor = String(id);
        const vote = parseVote(fields);
        if (vote) onVote(vote, Math.max(0, now - Number.parseInt(this.#cursor, 10)));
        else onGarbage();
      }
      if (entries.length < READ_CHUNK) return;
    }
  }
}

function parseVote([networkName, network, urlName, url, ...more]: readonly Buffer[]): Vote | undefined {
  if (String(networkName) !== "network" || String(urlName) !== "url" || more.length > 0) return undefined;
  if (!network || !url || network.length > MAX_TEXT || url.length > MAX_TEXT) return undefined;
  return { network: String(network), url: String(url) };
}

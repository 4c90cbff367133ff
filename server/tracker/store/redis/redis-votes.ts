import type { Clock } from "#core/base/clock.ts";
import { MAX_VOTES, type SharedVotes, VOTE_MS, type Vote } from "../failure-votes.ts";
import type { RedisParts } from "./parts.ts";
import { Repeater } from "./repeater.ts";
import * as scripts from "./scripts.ts";

/** Each tracker reads the votes of the others this often. */
const READ_MS = 1_000;
/** Votes read with one script call. */
const READ_CHUNK = 1_000;
/** Longest network or URL, in bytes; a longer one was not written by a tracker. */
const MAX_TEXT = 2_048;

/**
 * The votes of all trackers over one Redis, in a stream whose entries expire. A tracker appends its new votes without
 * waiting, and reads the stream once a second, so that no answer waits for Redis because of a vote.
 */
export class RedisVotes implements SharedVotes {
  readonly #parts: RedisParts;
  readonly #clock: Clock;
  /** The id of the last entry read; empty before the first. */
  #cursor = "";
  #reader: Repeater | undefined;

  constructor(parts: RedisParts, clock: Clock) {
    this.#parts = parts;
    this.#clock = clock;
  }

  tell(votes: readonly Vote[]): void {
    const { connection, keys } = this.#parts;
    const pairs = votes.flatMap(({ network, url }) => [network, url]);
    // A lost vote is no harm: this tracker counts it, and the peer reports again if the failure lasts.
    connection.script(scripts.tellVotes, [keys.votes], [MAX_VOTES, VOTE_MS, ...pairs]).catch(() => {});
  }

  follow(onVote: (vote: Vote, ageMs: number) => void): void {
    this.#reader = new Repeater(this.#clock, READ_MS, () => this.#readOn(onVote));
  }

  /** Reads the stream from its beginning again. Called on a new connection, as Redis may have lost what was read. */
  rewind(): void {
    this.#cursor = "";
  }

  async close(): Promise<void> {
    await this.#reader?.close();
  }

  async #readOn(onVote: (vote: Vote, ageMs: number) => void): Promise<void> {
    const { connection, keys, onGarbage } = this.#parts;
    for (let left = MAX_VOTES; left > 0 && !this.#reader?.closed; left -= READ_CHUNK) {
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

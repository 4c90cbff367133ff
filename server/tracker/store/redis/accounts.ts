import { refuse } from "../refuse.ts";
import type { RedisParts } from "./leases.ts";
import * as scripts from "./scripts.ts";

/**
 * How much a tracker keeps in Redis: what each swarm and each seed peer takes, and the sum. Two replicas that write
 * at the same moment may both pass a check and go over a cap by what they write; the sum stays right.
 */
export class RedisAccounts {
  readonly #parts: RedisParts;

  constructor(parts: RedisParts) {
    this.#parts = parts;
  }

  /** Fails with resource_exhausted if `member` of the sorted set at `key` may not grow to `bytes`. */
  async checkBytes(key: string, member: string, bytes: number, what: string): Promise<void> {
    const [sum, before] = await Promise.all([this.#sum(), this.#bytesOf(key, member)]);
    if (bytes > before && sum + bytes - before > this.#parts.limits.maxStateBytes) refuse(what);
  }

  /** Fails with resource_exhausted if a swarm may not grow by `bytes`, or a new one not come. */
  async checkSwarm(swarmId: string, bytes: number, swarmBytes: number): Promise<void> {
    const { connection, keys, limits } = this.#parts;
    const [sum, before, count] = await Promise.all([
      this.#sum(),
      this.#bytesOf(keys.swarms, swarmId),
      connection.command("ZCARD", keys.swarms),
    ]);
    const grows = bytes + (before > 0 ? 0 : swarmBytes);
    if (grows > 0 && sum + grows > limits.maxStateBytes) refuse("bitfields");
    if (before === 0 && Number(count) >= limits.maxSwarms) refuse("torrents");
  }

  /** From now on it takes `bytes`; 0: it is gone. */
  async set(key: string, member: string, bytes: number): Promise<void> {
    const { connection, keys, netMs } = this.#parts;
    await connection.script(scripts.account, [key, keys.bytes], [member, bytes, netMs]);
  }

  async #sum(): Promise<number> {
    return Number((await this.#parts.connection.command("GET", this.#parts.keys.bytes)) ?? 0);
  }

  async #bytesOf(key: string, member: string): Promise<number> {
    return Number((await this.#parts.connection.command("ZSCORE", key, member)) ?? 0);
  }
}

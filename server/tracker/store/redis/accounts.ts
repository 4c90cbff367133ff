import { refuse } from "../refuse.ts";
import type { RedisParts } from "./parts.ts";
import * as scripts from "./scripts.ts";

/**
 * The bytes that a tracker keeps in Redis: those of each swarm and each legacy peer, and their sum. Two replicas that
 * write at the same moment may both pass a check and exceed a cap by what they write; the sum stays right.
 */
export class RedisAccounts {
  readonly #parts: RedisParts;

  constructor(parts: RedisParts) {
    this.#parts = parts;
  }

  /** Throws resource_exhausted if `member` of the sorted set at `key` may not grow to `bytes`. */
  async checkBytes(key: string, member: string, bytes: number, what: string): Promise<void> {
    const [sum, before] = await Promise.all([this.#sum(), this.#bytesOf(key, member)]);
    if (bytes > before && sum + bytes - before > this.#parts.limits.maxStateBytes) refuse(what);
  }

  /** Throws resource_exhausted if a swarm may not grow by `bytes`. A new swarm takes `swarmBytes` besides. */
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

  /** Books `bytes` for `member` in place of what it took before; 0 if it is gone. */
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

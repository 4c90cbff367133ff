import { RateLimiterRedis, RateLimiterRes } from "rate-limiter-flexible";
import type { SharedRate } from "../../../http/guards/rate-limit.ts";
import type { RedisKeys } from "./keys.ts";
import type { RedisConnection } from "./redis-connection.ts";
import { type RedisScript, script } from "./scripts.ts";

/**
 * Counts the calls of a network in Redis, for all trackers over it together. A window lets through as many calls as
 * one server's bucket would at the same rate, so that several servers give a caller no more than one. While Redis is
 * away every call passes, because each server applies its own limit first.
 */
export class RedisRate implements SharedRate {
  readonly #limiter: RateLimiterRedis;
  readonly #keys: RedisKeys;

  constructor(connection: RedisConnection, keys: RedisKeys, burst: number, perSecond: number) {
    this.#keys = keys;
    const windowSeconds = Math.max(1, Math.ceil(burst / perSecond));
    this.#limiter = new RateLimiterRedis({
      storeClient: asClient(connection),
      useRedisPackage: true,
      keyPrefix: "",
      points: Math.max(burst, Math.round(perSecond * windowSeconds)),
      duration: windowSeconds,
    });
  }

  async take(network: string): Promise<number> {
    try {
      await this.#limiter.consume(this.#keys.rate(network));
      return 0;
    } catch (refusal) {
      return refusal instanceof RateLimiterRes ? Math.max(1, refusal.msBeforeNext) : 0;
    }
  }
}

/**
 * Adapts RedisConnection to the part of a client that the library uses, so that no call waits for an absent Redis.
 */
function asClient(connection: RedisConnection) {
  let counting: RedisScript | undefined;
  return {
    eval(text: string, { keys, arguments: args }: { keys: string[]; arguments: string[] }) {
      counting = counting?.text === text ? counting : script(text);
      return connection.script(counting, keys, args);
    },
  };
}

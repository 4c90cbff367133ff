import type { TrackerLimits } from "../limits.ts";
import type { RedisKeys } from "./keys.ts";
import type { RedisConnection } from "./redis-connection.ts";

/** What every part of a RedisSwarmStore works with. */
export interface RedisParts {
  readonly connection: RedisConnection;
  readonly keys: RedisKeys;
  readonly limits: TrackerLimits;
  /** The time in ms where a test injects it; undefined: Redis' own time, which all replicas share. */
  readonly now: () => number | undefined;
  /** Every key expires this long after the last replica wrote it, in ms. */
  readonly netMs: number;
  /** Counts a value in Redis that no tracker wrote and that was skipped. */
  readonly onGarbage: () => void;
}

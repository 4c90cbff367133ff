import type { SwarmKey } from "#core/ports/tracker.ts";
import { parseSwarmId, swarmIdOf } from "./keys.ts";
import type { RedisParts } from "./parts.ts";

/** Adds a member to a set of Redis and restarts the time after which the set expires. */
export async function addToSet(
  { connection, netMs }: RedisParts,
  set: string,
  member: string,
): Promise<void> {
  await Promise.all([connection.command("SADD", set, member), connection.command("PEXPIRE", set, netMs)]);
}

/** The swarms that a set names. */
export async function swarmsIn({ connection, onGarbage }: RedisParts, set: string): Promise<SwarmKey[]> {
  const ids = (await connection.command("SMEMBERS", set)) as Buffer[];
  return ids.flatMap((id) => {
    const key = parseSwarmId(String(id));
    if (!key) onGarbage();
    return key ?? [];
  });
}

/**
 * Removes a swarm from a set, and adds it again if `belongs` then finds that it belongs there. A writer changes the
 * swarm first and the set after it, so one that came in between is not lost.
 */
export async function removeFromSet(
  { connection }: RedisParts,
  set: string,
  key: SwarmKey,
  belongs: () => Promise<boolean>,
): Promise<void> {
  await connection.command("SREM", set, swarmIdOf(key));
  if (await belongs()) await connection.command("SADD", set, swarmIdOf(key));
}

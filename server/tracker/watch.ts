import { type Clock, sleep } from "#core/clock.ts";
import type { SwarmKey } from "#core/tracker.ts";
import type { Swarm, SwarmStore } from "./swarm-store.ts";

/** At most two messages a second, however fast the swarm changes. */
const LOOK_MS = 500;
/** Under the 60 s after which servers and proxies end a silent connection. */
const KEEP_ALIVE_MS = 15_000;

/**
 * The swarm now, then each time that it has changed, and unchanged after 15 s of silence. Undefined: it has no peers.
 * Looks at the store instead of being called by it: a look costs nothing, and works over any store. Ends when `signal`
 * is aborted.
 */
export async function* watchSwarm(
  store: SwarmStore,
  key: SwarmKey,
  clock: Clock,
  signal: AbortSignal,
): AsyncGenerator<Swarm | undefined> {
  let shown: Swarm | undefined | null = null;
  let shownAtMs = 0;
  while (!signal.aborted) {
    const swarm = await store.swarm(key);
    if (swarm !== shown || clock.now() - shownAtMs >= KEEP_ALIVE_MS) {
      shown = swarm;
      shownAtMs = clock.now();
      yield swarm;
    }
    await sleep(clock, LOOK_MS, signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }
}

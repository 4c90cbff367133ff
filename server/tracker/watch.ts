import { type Clock, sleep } from "#core/base/clock.ts";
import type { CopyReport } from "./replication/watched-copies.ts";
import type { SwarmSnapshot } from "./store/swarm-store.ts";

/** At most two messages a second, however fast the swarm changes. */
const LOOK_MS = 500;
/** Under the 60 s after which servers and proxies end a silent connection. */
const KEEP_ALIVE_MS = 15_000;

/** A swarm and its orders. Undefined: it has no peers. */
export type WatchedSwarm = CopyReport & { readonly swarm: SwarmSnapshot | undefined };

/**
 * The swarm now, then each time that it or its orders have changed, and unchanged after 15 s of silence. Looks
 * instead of being called: a look costs nothing, and works over any store. Ends when `signal` is aborted.
 */
export async function* swarmUpdates(
  look: () => Promise<WatchedSwarm>,
  clock: Clock,
  signal: AbortSignal,
): AsyncGenerator<WatchedSwarm> {
  let shown: WatchedSwarm | undefined;
  let shownAtMs = 0;
  while (!signal.aborted) {
    const seen = await look();
    if (!shown || differs(seen, shown) || clock.now() - shownAtMs >= KEEP_ALIVE_MS) {
      shown = seen;
      shownAtMs = clock.now();
      yield seen;
    }
    await sleep(clock, LOOK_MS, signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }
}

function differs(a: WatchedSwarm, b: WatchedSwarm): boolean {
  return a.swarm !== b.swarm || a.book.version !== b.book.version;
}

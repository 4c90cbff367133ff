import { type Clock, sleep } from "#core/base/clock.ts";
import type { CopyReport } from "./replication/watched-copies.ts";
import type { SwarmSnapshot } from "./store/swarm-store.ts";

/** Limits a watcher to two messages a second. */
const LOOK_MS = 500;
/** An unchanged swarm is sent again after this time: proxies often end a connection after 60 s of silence. */
const KEEP_ALIVE_MS = 15_000;

/** A swarm and its copies. `swarm` is undefined if it has no peers. */
export type SwarmReport = CopyReport & { readonly swarm: SwarmSnapshot | undefined };

/**
 * Yields the swarm now, then after each change of it or of its orders, and after 15 s without one. It polls `look`,
 * which is cheap and works with any store. Ends when `signal` is aborted.
 */
export async function* swarmUpdates(
  look: () => Promise<SwarmReport>,
  clock: Clock,
  signal: AbortSignal,
): AsyncGenerator<SwarmReport> {
  let shown: SwarmReport | undefined;
  let shownAtMs = 0;
  while (!signal.aborted) {
    const seen = await look();
    const changed = seen.swarm !== shown?.swarm || seen.book.version !== shown?.book.version;
    if (!shown || changed || clock.now() - shownAtMs >= KEEP_ALIVE_MS) {
      shown = seen;
      shownAtMs = clock.now();
      yield seen;
    }
    await sleep(clock, LOOK_MS, signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }
}

import type { Clock } from "#core/base/clock.ts";
import { MemorySwarmStore } from "../../../server/tracker/store/memory/memory-swarm-store.ts";
import { FakeClock } from "../fake-clock.ts";
import { seededRandom } from "./fake-swarm.ts";
import { SETTLED_MS, VolunteerWorld } from "./volunteer-world.ts";

export const COPIES = 3;
export const PIECES_PER_TORRENT = 8;
const LEASE_MS = 30_000;

/** What announces cost while something happened, and what was copied. */
export interface Stage {
  /** Simulated time until every piece was at its target; 0 if none was missing. */
  readonly tookMs: number;
  readonly moved: number;
  /** Pieces that had to be copied at least. */
  readonly least: number;
  /** What each announce took of the real processor's time, in ms, ascending. */
  readonly costs: readonly number[];
}

export interface ManyTorrents {
  readonly filling: Stage;
  readonly quiet: Stage;
  readonly losses: readonly Stage[];
}

/**
 * So many volunteers, each with its share of so many torrents of which nobody else has a piece: they come to three copies
 * of every piece, rest, and lose one peer after the other. One tracker, everything in simulated time.
 */
export async function manyTorrents(options: {
  readonly volunteers: number;
  readonly torrents: number;
  readonly losses: number;
  /** Tells the tracker how long planning takes. Default: it takes no time. */
  readonly workClock?: Clock | undefined;
}): Promise<ManyTorrents> {
  const clock = new FakeClock();
  const random = seededRandom(8);
  const store = new MemorySwarmStore(clock, { maxLeasesPerAddress: Number.POSITIVE_INFINITY });
  const world = new VolunteerWorld(clock, store, { target: COPIES, random, workClock: options.workClock });
  world.pace = 1_000;
  const keys = Array.from({ length: options.torrents }, (_, n) => ({
    infoHash: n.toString(16).padStart(64, "0"),
    totalPieces: PIECES_PER_TORRENT,
  }));
  const missing = () => keys.reduce((sum, key) => sum + world.missing(key), 0);

  const stage = async (least: number, run: () => Promise<number>): Promise<Stage> => {
    const before = world.moved;
    const tookMs = await run();
    const costs = world.costs.splice(0).sort((a, b) => a - b);
    return { tookMs, moved: world.moved - before, least, costs };
  };

  try {
    for (let n = 0; n < options.volunteers; n++) world.add();
    for (const [n, key] of keys.entries()) world.give(world.peers[n % options.volunteers]!, key);
    const filling = await stage(missing(), async () => {
      await world.pass(SETTLED_MS + 4_000);
      return world.converge(keys, 1_200_000);
    });
    await world.pass(8_000);
    const quiet = await stage(missing(), async () => {
      await world.pass(8_000);
      return 0;
    });
    const losses: Stage[] = [];
    for (let loss = 0; loss < options.losses; loss++) {
      world.kill(world.live[Math.floor(random() * world.live.length)]!);
      losses.push(
        await stage(missing(), async () => {
          await world.pass(LEASE_MS + 2_000);
          const tookMs = await world.converge(keys, 60_000);
          await world.pass(6_000);
          return tookMs;
        }),
      );
    }
    return { filling, quiet, losses };
  } finally {
    await store.close();
  }
}

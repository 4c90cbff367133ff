import { setImmediate } from "node:timers/promises";
import type { ServiceImpl } from "@connectrpc/connect";
import type { Clock } from "#core/base/clock.ts";
import type { SwarmKey } from "#core/ports/tracker.ts";
import { parseInfoHash } from "#core/torrent/info-hash.ts";
import type { TrackerService } from "#gen/pieza/v1/tracker_pb.ts";
import { kCallerAddress } from "../http/base/context.ts";
import type { AnnounceCall } from "./announce/announce.ts";
import type { LocateCall } from "./locate/locate-call.ts";
import type { PeerSelector } from "./locate/peer-selector.ts";
import { watchedPeers } from "./locate/swarm-message.ts";
import { countsOf } from "./metrics/availability.ts";
import type { Replicator } from "./replication/replicator.ts";
import { replicationState, watchedOrders } from "./replication/watched-copies.ts";
import { checkCount, checkTotalPieces } from "./store/checks.ts";
import type { SwarmStore } from "./store/swarm-store.ts";
import { swarmUpdates } from "./watch.ts";

/** Swarms in one answer to Scrape. */
const MAX_SCRAPED = 1_000;

export interface TrackerServiceParts {
  readonly store: SwarmStore;
  readonly replicator: Replicator;
  readonly announceCall: AnnounceCall;
  readonly selector: PeerSelector;
  readonly clock: Clock;
  readonly locate: LocateCall;
}

/** What calls of the tracker are held to. An Announce of a thousand torrents has 4 MiB at most. */
export const trackerPolicies = {
  announce: { requestBytes: 4 << 20 },
  // Each answer moves the swarm's turn on, and changes nothing else.
  locatePieces: { changes: false },
} as const;

/** Translates calls of pieza.v1 into calls of the tracker's parts, and decides nothing itself. */
export function trackerService(parts: TrackerServiceParts): ServiceImpl<typeof TrackerService> {
  const { store, replicator, announceCall, selector, clock, locate } = parts;
  return {
    announce: (request, { values, signal }) =>
      announceCall.answer(request, values.get(kCallerAddress), signal),

    locatePieces: (request, { values }) => locate.answer(request, values.get(kCallerAddress)),

    async scrape(request) {
      checkCount("info_hashes", request.infoHashes, MAX_SCRAPED);
      const infoHashes = request.infoHashes.map((text, at) => parseInfoHash(text, `info_hashes[${at}]`));
      return { swarms: await scrape({ store, replicator }, infoHashes) };
    },

    async *watchSwarm(request, context) {
      const swarm = await selector.find({
        infoHash: parseInfoHash(request.infoHash),
        totalPieces: request.totalPieces && checkTotalPieces(request.totalPieces),
      });
      const { infoHash, totalPieces } = swarm;
      const look = () => replicator.report({ infoHash, totalPieces });
      for await (const report of swarmUpdates(look, clock, context.signal)) {
        yield {
          infoHash,
          totalPieces,
          peers: report.swarm ? watchedPeers(report.swarm) : [],
          replication: replicationState(report),
          orders: watchedOrders(report.book),
        };
      }
    },
  };
}

async function scrape(
  { store, replicator }: Pick<TrackerServiceParts, "store" | "replicator">,
  infoHashes: readonly string[],
) {
  const counts = [];
  for (const key of await scrapedKeys(store, infoHashes)) {
    const report = await replicator.report(key);
    const { swarm } = report;
    if (swarm) {
      const { fileName } = swarm.members[0]!;
      const copies = report.state?.target ? { replication: replicationState(report) } : {};
      counts.push({ ...key, fileName, ...countsOf(swarm), ...copies });
    }
    // Counting a large swarm takes milliseconds, and a thousand of them must not delay heartbeats.
    await setImmediate();
  }
  return counts;
}

async function scrapedKeys(store: SwarmStore, infoHashes: readonly string[]): Promise<readonly SwarmKey[]> {
  if (infoHashes.length === 0) return store.swarms(MAX_SCRAPED);
  const keys: SwarmKey[] = [];
  for (const infoHash of new Set(infoHashes)) keys.push(...(await store.swarmsOf(infoHash)));
  return keys.slice(0, MAX_SCRAPED);
}

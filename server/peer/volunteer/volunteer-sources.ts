import { Bitfield } from "#core/base/bitfield.ts";
import type { SwarmPeer, Tracker } from "#core/ports/tracker.ts";
import type { Reach } from "../../http/client/reach.ts";
import type { KeptOrder } from "./volunteer-orders.ts";

/** Time to the next locate where the tracker gives none. */
const NEXT_LOCATE_MS = 2_000;

/**
 * Presents the trackers of some orders as one tracker for a copy's download. The sources that the orders name come
 * first, then the peers that the tracker names, those of this zone before others. A source that the tracker does not
 * name is leaving; the download asks it directly which pieces it has. All of them come within reach.
 */
export function orderedSources(
  orders: () => readonly KeptOrder[],
  zone: string | undefined,
  reach: Reach,
): Tracker {
  return {
    url: "orders",
    announce: () => Promise.reject(new Error("the download of a copy does not announce")),
    async locate(query, signal) {
      const ordered = orders();
      const tracker = ordered.at(-1)?.tracker;
      const table = await tracker?.locate({ ...query, zone }, signal).catch((error: unknown) => {
        signal.throwIfAborted();
        return void error;
      });
      for (const { tracker: by, sources } of ordered) await reach.named(by.url, sources);
      if (tracker && table)
        await reach.named(
          tracker.url,
          table.peers.map(({ url }) => url),
        );
      const named = new Map((table?.peers ?? []).map((peer) => [peer.url, peer]));
      const urls = new Set(ordered.flatMap(({ sources }) => sources));
      const first: SwarmPeer[] = [...urls].map(
        (url) => named.get(url) ?? { url, bitfield: new Bitfield(query.totalPieces) },
      );
      const others = [...named.values()].filter(({ url }) => !urls.has(url));
      return {
        peers: [...first, ...others],
        turn: table?.turn ?? 0,
        trackerId: table?.trackerId ?? "",
        nextLocateMs: table?.nextLocateMs ?? NEXT_LOCATE_MS,
      };
    },
  };
}

import { Bitfield } from "#core/base/bitfield.ts";
import type { SwarmPeer, Tracker } from "#core/ports/tracker.ts";
import type { KeptOrder } from "./volunteer-orders.ts";

/** Ask again after so long where the tracker does not say. */
const NEXT_LOCATE_MS = 2_000;

/**
 * The trackers of some orders as a copy's download sees them: the orders' sources come first, then whom the tracker
 * names, with peers of this one's zone before the others. A source that the tracker does not name (it is leaving) is asked itself what it has.
 */
export function orderedSources(orders: () => readonly KeptOrder[], zone: string | undefined): Tracker {
  return {
    url: "orders",
    announce: () => Promise.reject(new Error("copies announce nothing by themselves")),
    async locate(query, signal) {
      const ordered = orders();
      const tracker = ordered.at(-1)?.tracker;
      const table = await tracker?.locate({ ...query, zone }, signal).catch((error: unknown) => {
        signal.throwIfAborted();
        return void error;
      });
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

import { sleep } from "#core/base/clock.ts";
import type { WatchedCopies, WatchedPeer } from "#core/rpc/watch.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import type { SwarmNews } from "../base/messages.ts";
import { noNews } from "../base/no-news.ts";
import { failureOf } from "../base/trouble.ts";
import { browserClock } from "./browser-clock.ts";
import type { HostPorts } from "./host-ports.ts";

const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 15_000;

/**
 * The watch of a tab. There is only one, because it keeps one of the six HTTP/1.1 connections that all tabs of a
 * browser share for a tracker.
 */
export class SwarmWatch {
  readonly #ports: Pick<HostPorts, "watch" | "post">;
  #stop = new AbortController();

  constructor(ports: Pick<HostPorts, "watch" | "post">) {
    this.#ports = ports;
  }

  /** Watches the swarm of this torrent instead of the one before; undefined for none. */
  set(torrent: Torrent | undefined): void {
    this.#stop.abort(new Error("the page watches this swarm no more"));
    this.#stop = new AbortController();
    if (torrent) void this.#watch(torrent, this.#stop.signal);
  }

  async #watch(torrent: Torrent, signal: AbortSignal): Promise<void> {
    const tell = (news: Omit<SwarmNews, "infoHash">) =>
      this.#ports.post({ type: "swarm", news: { infoHash: torrent.infoHash, ...news } });
    let retryMs = RETRY_MIN_MS;
    while (!signal.aborted) {
      try {
        await this.#ports.watch(
          torrent,
          (peers, copies) => {
            retryMs = RETRY_MIN_MS;
            if (!signal.aborted) tell(newsOf(peers, copies, torrent.pieces.length));
          },
          signal,
        );
      } catch (error) {
        if (signal.aborted) return;
        tell({ ...noNews, problem: failureOf(error) });
      }
      await sleep(browserClock, retryMs, signal).catch(() => {});
      retryMs = Math.min(RETRY_MAX_MS, retryMs * 2);
    }
  }
}

function newsOf(
  peers: readonly WatchedPeer[],
  { target, underTarget, lost, bytesCopied, orders }: WatchedCopies,
  totalPieces: number,
): Omit<SwarmNews, "infoHash"> {
  const copies = new Uint16Array(totalPieces);
  for (const { bitfield } of peers) for (const index of bitfield ?? []) copies[index]!++;
  const onTheirWay = new Uint16Array(orders.length > 0 ? totalPieces : 0);
  for (const { ranges } of orders)
    for (const { first, last } of ranges) for (let at = first; at <= last; at++) onTheirWay[at]!++;
  const repairs = orders.map(({ url, ranges, sources }) => ({
    url,
    ranges: ranges.map(({ first, last }) => [first + 1, last + 1] as const),
    sources,
  }));
  const shown = peers.map(({ bitfield: _, ...rest }) => rest);
  const replication = { target, underTarget, lost, bytesCopied, repairs };
  return { peers: shown, copies, onTheirWay, replication, problem: undefined };
}

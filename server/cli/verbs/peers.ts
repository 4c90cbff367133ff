import { messageOf, PiezaError } from "#core/base/errors.ts";
import { locateQuery, type SwarmPeer, type SwarmTable } from "#core/ports/tracker.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { withTracker } from "../clients/clients.ts";
import { trackersFor } from "../clients/find-trackers.ts";
import { findTorrent } from "../clients/torrent-source.ts";
import type { Invocation } from "../line/invocation.ts";
import type { CommonOption, Flags } from "../line/options.ts";
import type { Output } from "../line/output.ts";
import { table } from "../line/table.ts";
import { plural } from "../line/units.ts";

type Options = "tracker" | "catalog";

export async function run({ args, flags, out, signal }: Invocation<Options | CommonOption>): Promise<void> {
  const found = await findTorrent(args[0]!, flags, signal);
  const trackers = await trackersFor(found, flags, signal);
  const { peers } = await locate(found.torrent, trackers, flags, out, signal);
  if (out.json) for (const peer of peers) out.event("peer", peerFields(peer));
  else if (peers.length === 0) out.note("No peer has this torrent now.");
  else out.text(...describe(found.torrent, peers));
}

/** The first tracker that answers tells; the others are replicas or stand in for it. */
async function locate(
  torrent: Torrent,
  trackers: readonly string[],
  flags: Flags<CommonOption>,
  out: Output,
  signal: AbortSignal,
): Promise<SwarmTable> {
  const swarm = locateQuery(torrent);
  let last: unknown = new PiezaError("unavailable", "no tracker is known for this torrent; say --tracker");
  for (const url of trackers) {
    try {
      return await withTracker(url, flags, (tracker) => tracker.locate(swarm, signal));
    } catch (error) {
      signal.throwIfAborted();
      out.detail(messageOf(error));
      last = error;
    }
  }
  throw last;
}

function peerFields({ url, bitfield, legacy = false }: SwarmPeer): Record<string, unknown> {
  const { count, size, complete } = bitfield;
  return { url, held_pieces: count, total_pieces: size, complete, seed_contract: legacy };
}

function describe(torrent: Torrent, peers: readonly SwarmPeer[]): string[] {
  const total = torrent.pieces.length;
  const rows = peers.map(({ url, bitfield }) => [
    url,
    String(bitfield.count),
    `${Math.floor((100 * bitfield.count) / total)} %`,
  ]);
  const copies = torrent.pieces.map((_, index) => peers.filter(({ bitfield }) => bitfield.has(index)).length);
  const missing = copies.filter((count) => count === 0).length;
  const summary = missing > 0 ? `${plural(missing, "piece")} without a holder` : "together they have it all";
  return [
    ...table([["PEER", "PIECES", ""], ...rows], [1, 2]),
    "",
    `${plural(peers.length, "peer")}, ${plural(total, "piece")}: ${summary}`,
  ];
}

import { locateQuery, type SwarmPeer } from "#core/ports/tracker.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { withTracker } from "../clients/clients.ts";
import { askTrackers, trackersFor } from "../clients/find-trackers.ts";
import { findTorrent } from "../clients/torrent-source.ts";
import { table } from "../line/table.ts";
import { plural } from "../line/units.ts";
import type { VerbInvocation } from "../line/verb-options.ts";

export async function runPeers({ args, flags, out, signal }: VerbInvocation<"peers">): Promise<void> {
  const found = await findTorrent(args[0]!, flags, signal);
  const trackers = await trackersFor(found, flags, out, signal);
  const swarm = locateQuery(found.torrent);
  const locate = (url: string) => withTracker(url, flags, (tracker) => tracker.locate(swarm, signal));
  const { peers, badUrls = 0 } = await askTrackers(trackers, locate, out, signal);
  if (badUrls > 0) out.warn(`${plural(badUrls, "peer")} without a valid URL left out`);
  if (out.json) for (const peer of peers) out.event("peer", swarmPeerFields(peer));
  else if (peers.length === 0) out.note("No peer has this torrent now.");
  else out.text(...describe(found.torrent, peers));
}

function swarmPeerFields({ url, bitfield, legacy = false }: SwarmPeer): Record<string, unknown> {
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
  const summary = missing > 0 ? `no peer has ${plural(missing, "piece")}` : "together they have every piece";
  return [
    ...table([["PEER", "PIECES", ""], ...rows], [1, 2]),
    "",
    `${plural(peers.length, "peer")}, ${plural(total, "piece")}: ${summary}`,
  ];
}

import { Bitfield } from "#core/base/bitfield.ts";
import { messageOf, PiezaError } from "#core/base/errors.ts";
import { locateQuery, type SwarmPeer } from "#core/ports/tracker.ts";
import { remotePeer } from "#core/rpc/rpc.ts";
import { MAX_PIECE_LENGTH } from "#core/torrent/piece.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { nodeClock } from "../../base/node-clock.ts";
import { Reach } from "../../http/client/reach.ts";
import { openTransport } from "../../http/client/transports.ts";
import { nodeDisk } from "../../peer/stores/disk.ts";
import type { ClientFlags } from "../clients/client-flags.ts";
import { withTracker } from "../clients/clients.ts";
import { formatBytes, plural } from "../line/units.ts";
import { checkServer } from "./check-server.ts";
import { type CheckOptions, type Finding, ok, problem, warning } from "./finding.ts";

/** Peers that are checked at the same time. */
const AT_ONCE = 8;

/** Checks the free space in an existing folder; default: the current one. */
export function checkSpace(
  { lengths, fileName }: Torrent,
  folder = ".",
  freeBytes: (path: string) => number = nodeDisk.freeBytes,
): Finding {
  const free = freeBytes(folder);
  if (!lengths)
    return ok(
      "space",
      folder,
      `${formatBytes(free)} are free; the torrent of ${fileName} does not state its size`,
    );
  const needed = formatBytes(lengths.length);
  if (lengths.length <= free) return ok("space", folder, `${formatBytes(free)} are free for ${needed}`);
  return problem(
    "space",
    folder,
    `${fileName} needs ${needed}, and ${formatBytes(free)} are free`,
    "free some space, use another folder with -d, or choose fewer files with --select",
  );
}

/** Checks each tracker, each peer that they name, and whether the peers have every piece together. */
export async function* checkSwarm(
  torrent: Torrent,
  trackers: readonly string[],
  flags: ClientFlags,
  options: CheckOptions,
): AsyncGenerator<Finding> {
  const peers = new Map<string, SwarmPeer>();
  const reach = new Reach({ advice: (network) => `pieza get takes it with --allow-network ${network}` });
  for (const url of trackers) {
    const { findings, usable } = await checkServer(url, "tracker", options);
    yield* findings;
    if (!usable) continue;
    yield* await locate(torrent, url, flags, options, { peers, reach });
  }
  if (peers.size === 0) return;
  const waiting = [...peers.values()];
  const together = new Bitfield(torrent.pieces.length);
  while (waiting.length > 0) {
    const looks = waiting
      .splice(0, AT_ONCE)
      .map((peer) => checkPeer(torrent, peer, reach, options, together));
    for (const findings of await Promise.all(looks)) yield* findings;
  }
  yield checkPieces(torrent, together);
}

async function locate(
  torrent: Torrent,
  url: string,
  flags: ClientFlags,
  { signal }: CheckOptions,
  { peers, reach }: { peers: Map<string, SwarmPeer>; reach: Reach },
): Promise<Finding[]> {
  const swarm = locateQuery(torrent);
  const startPeer = "start a peer (pieza seed or pieza peer) with this --tracker";
  const findings: Finding[] = [];
  try {
    const table = await withTracker(url, flags, (tracker) => tracker.locate(swarm, signal));
    for (const peer of table.peers) peers.set(peer.url, peer);
    await reach.named(
      url,
      table.peers.map((peer) => peer.url),
    );
    if (table.badUrls) findings.push(badUrls(url, table.badUrls));
    if (table.peers.length > 0)
      return [
        ok("tracker", url, `it names ${plural(table.peers.length, "peer")} of this torrent`),
        ...findings,
      ];
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof PiezaError) || error.code !== "not_found")
      return [problem("tracker", url, messageOf(error), "see the tracker's log")];
  }
  return [problem("tracker", url, "it knows no peer of this torrent", startPeer), ...findings];
}

function badUrls(tracker: string, count: number): Finding {
  const have = count === 1 ? "has no valid URL and is" : "have no valid URL and are";
  const message = `${plural(count, "peer")} that it names ${have} left out`;
  return warning("tracker", tracker, message, "see the tracker's log, or use another tracker");
}

/** Checks a peer and adds its pieces to `together`. */
async function checkPeer(
  torrent: Torrent,
  { url, legacy, bitfield }: SwarmPeer,
  reach: Reach,
  options: CheckOptions,
  together: Bitfield,
): Promise<Finding[]> {
  if (legacy) {
    for (const index of bitfield) together.set(index);
    const message = `it registered ${plural(bitfield.count, "piece")} by the legacy contract, which allows no further checks`;
    return [ok("peer", url, message)];
  }
  const refusal = await reach.refusalTo(url);
  if (refusal !== undefined) {
    const [message, advice = ""] = refusal.split(/; (.*)/, 2);
    return [problem("peer", url, message!, advice)];
  }
  const { findings, usable } = await checkServer(url, "peer", options);
  if (!usable) return [...findings];
  try {
    const has = await bitfieldOf(torrent, url, options);
    for (const index of has) together.set(index);
    const message = `it has ${has.count} of ${plural(has.size, "piece")}`;
    if (has.count > 0) return [...findings, ok("peer", url, message)];
    const advice = "it is still downloading, so other peers need to have the pieces";
    return [...findings, warning("peer", url, message, advice)];
  } catch (error) {
    options.signal.throwIfAborted();
    const advice =
      "the tracker names this peer, but it no longer serves this torrent; restart it or wait until its lease ends";
    return [...findings, problem("peer", url, messageOf(error), advice)];
  }
}

async function bitfieldOf(torrent: Torrent, url: string, { ca, signal }: CheckOptions): Promise<Bitfield> {
  const { transport, close } = openTransport(url, "connect", { ca });
  const swarm = { infoHash: torrent.infoHash, totalPieces: torrent.pieces.length };
  const pieceLength = () => MAX_PIECE_LENGTH;
  const way = { url, transportName: "connect", transport, close };
  const peer = remotePeer({ ...way, swarm, pieceLength, clock: nodeClock });
  try {
    return await peer.getBitfield(signal);
  } finally {
    peer.close();
  }
}

function checkPieces({ fileName, pieces }: Torrent, together: Bitfield): Finding {
  const missing = pieces.length - together.count;
  if (missing === 0) return ok("pieces", fileName, "the reachable peers have every piece together");
  return problem(
    "pieces",
    fileName,
    `no reachable peer has ${plural(missing, "piece")} of ${pieces.length}`,
    "start a peer that has them; a download waits until then",
  );
}

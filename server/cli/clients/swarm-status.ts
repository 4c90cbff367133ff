import type { PieceRange } from "#core/ports/tracker.ts";
import { type WatchedCopies, type WatchedPeer, watchSwarm } from "#core/rpc/watch.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { openTransport } from "../../http/client/transports.ts";
import type { Output } from "../line/output.ts";
import { table } from "../line/table.ts";
import { formatBytes, plural } from "../line/units.ts";
import { type ClientFlags, readCa } from "./client-flags.ts";
import { askTrackers } from "./find-trackers.ts";

/** A tracker that has not described the swarm by then has failed. */
const ANSWER_MS = 10_000;

/** The state of a swarm at one moment, as one tracker knows it. */
interface SwarmStatus {
  readonly tracker: string;
  readonly peers: readonly WatchedPeer[];
  readonly copies: WatchedCopies;
}

/** Prints how many copies of its pieces a torrent has and wants, and which copies are being made. */
export async function showSwarm(
  torrent: Torrent,
  trackers: readonly string[],
  flags: ClientFlags,
  out: Output,
  signal: AbortSignal,
): Promise<void> {
  const ask = (tracker: string) => watchOnce(torrent, tracker, flags, signal);
  const status = await askTrackers(trackers, ask, out, signal);
  if (out.json) out.event("swarm", fieldsOf(torrent, status));
  else out.text(...linesOf(torrent, status));
}

/** Reads the first message of a watch, which is the whole state of the swarm. */
async function watchOnce(
  torrent: Torrent,
  tracker: string,
  flags: ClientFlags,
  signal: AbortSignal,
): Promise<SwarmStatus> {
  const { transport, close } = openTransport(tracker, "grpc", { ca: await readCa(flags) });
  const enough = new AbortController();
  const swarm = { infoHash: torrent.infoHash, totalPieces: torrent.pieces.length };
  let status: SwarmStatus | undefined;
  try {
    await watchSwarm(
      { transport, swarm },
      (peers, copies) => {
        status ??= { tracker, peers, copies };
        enough.abort();
      },
      AbortSignal.any([signal, enough.signal, AbortSignal.timeout(ANSWER_MS)]),
    );
  } catch (error) {
    if (!status) throw error;
  } finally {
    close();
  }
  return status!;
}

function fieldsOf(torrent: Torrent, { tracker, peers, copies }: SwarmStatus): Record<string, unknown> {
  return {
    info_hash: torrent.infoHash,
    file_name: torrent.fileName,
    tracker,
    total_pieces: torrent.pieces.length,
    replication_target: copies.target,
    pieces_by_copies: piecesByCopies(torrent, peers),
    pieces_under_target: copies.underTarget,
    pieces_lost: copies.lost,
    pieces_ordered: copies.ordered,
    bytes_copied: copies.bytesCopied,
    orders: copies.orders.map(({ url, ranges, sources }) => ({ url, pieces: numbersOf(ranges), sources })),
    peers: peers.map(({ url, heldPieces, zone, volunteer, listed, draining }) => ({
      url,
      held_pieces: heldPieces,
      zone,
      volunteer,
      listed,
      draining,
    })),
  };
}

function linesOf(torrent: Torrent, { tracker, peers, copies }: SwarmStatus): string[] {
  const total = torrent.pieces.length;
  const { target, underTarget, lost, ordered, bytesCopied, orders } = copies;
  const rows = peers.map((peer) => [
    peer.url,
    String(peer.heldPieces),
    `${Math.floor((100 * peer.heldPieces) / total)} %`,
    peer.zone,
    remarksOn(peer),
  ]);
  return [
    `${torrent.fileName}: ${plural(total, "piece")}, ${plural(peers.length, "peer")}, by ${tracker}`,
    "",
    ...piecesByCopies(torrent, peers).flatMap((pieces, count) =>
      pieces === 0 ? [] : [`${plural(pieces, "piece")} with ${count === 0 ? "no copy" : copiesOf(count)}`],
    ),
    target === 0 ? "No replication target is set." : `${copiesOf(target)} of each piece are wanted`,
    ...(underTarget > 0
      ? [`${plural(underTarget, "piece")} below that, ${lost} of them without any copy`]
      : []),
    ...(ordered > 0 ? [`${plural(ordered, "piece")} being copied:`] : []),
    ...orders.map(
      ({ url, ranges, sources }) => `  ${url} copies ${numbersOf(ranges)} from ${sources.join(", ")}`,
    ),
    ...(bytesCopied > 0 ? [`${formatBytes(bytesCopied)} copied since the tracker started`] : []),
    "",
    ...table([["PEER", "PIECES", "", "ZONE", ""], ...rows], [1, 2]),
  ];
}

function remarksOn({ volunteer, listed, draining }: WatchedPeer): string {
  const remarks = [volunteer && "volunteer", draining && "leaving", !listed && "not listed"];
  return remarks.filter(Boolean).join(", ");
}

/** The number of pieces by their number of copies, from 0 up. Copies of unlisted and draining peers do not count. */
function piecesByCopies({ pieces }: Torrent, peers: readonly WatchedPeer[]): number[] {
  const staying = peers.filter(({ listed, draining }) => listed && !draining);
  const byCopies: number[] = [];
  for (const index of pieces.keys()) {
    const copies = staying.filter(({ bitfield }) => bitfield?.has(index)).length;
    while (byCopies.length <= copies) byCopies.push(0);
    byCopies[copies]!++;
  }
  return byCopies;
}

function copiesOf(count: number): string {
  return count === 1 ? "1 copy" : `${count} copies`;
}

/** Piece numbers from 1: "1-40, 60". */
function numbersOf(ranges: readonly PieceRange[]): string {
  return ranges
    .map(({ first, last }) => (first === last ? `${first + 1}` : `${first + 1}-${last + 1}`))
    .join(", ");
}

import { learnLengths } from "#core/download/learn-lengths.ts";
import type { LearnedPieces } from "#core/download/learned-pieces.ts";
import type { PieceGeometry } from "#core/torrent/piece.ts";
import { geometryOf, type Torrent } from "#core/torrent/torrent.ts";
import { browserClock } from "./browser-clock.ts";
import type { HostPorts } from "./host-ports.ts";
import type { KeptDownload } from "./kept-downloads.ts";

/** The geometry of a torrent, and the pieces that had to be fetched to learn it. */
export interface KnownGeometry {
  readonly geometry: PieceGeometry;
  readonly pieces?: LearnedPieces;
}

/**
 * Takes the lengths from the torrent, else from an earlier run, else learns them from pieces of peers. `onWaiting` is
 * called with what it waits for.
 */
export async function findGeometry(
  torrent: Torrent,
  kept: KeptDownload | undefined,
  ports: HostPorts,
  signal: AbortSignal,
  onWaiting: (reason: string, located: boolean) => void,
): Promise<KnownGeometry> {
  const known = geometryOf(torrent) ?? (await kept?.lengths());
  if (known) return { geometry: known };
  onWaiting("", false);
  const learned = await learnLengths({
    torrent,
    trackers: await ports.trackersOf(torrent),
    connect: (url, legacy) => ports.connect({ url, legacy }, torrent, undefined),
    hasher: ports.hasher,
    clock: browserClock,
    random: ports.random,
    signal,
    onWaiting,
  });
  await kept?.setLengths(learned.geometry);
  return learned;
}

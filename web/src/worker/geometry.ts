import { learnLengths } from "#core/download/learn-lengths.ts";
import type { LearnedPieces } from "#core/download/learned-pieces.ts";
import type { PieceGeometry } from "#core/torrent/piece.ts";
import { geometryOf, type Torrent } from "#core/torrent/torrent.ts";
import { browserClock } from "./browser-clock.ts";
import type { HostPorts } from "./host-ports.ts";
import type { KeptDownload } from "./kept-downloads.ts";

/** Where the pieces of a download lie, and those that had to be fetched to know it. */
export interface KnownGeometry {
  readonly geometry: PieceGeometry;
  readonly pieces?: LearnedPieces;
}

/** The torrent's own word, else what an earlier run learned, else what peers' pieces tell. */
export async function findGeometry(
  torrent: Torrent,
  kept: KeptDownload | undefined,
  ports: HostPorts,
  signal: AbortSignal,
  onWaiting: (reason: string, located: boolean) => void,
): Promise<KnownGeometry> {
  const told = geometryOf(torrent) ?? (await kept?.lengths());
  if (told) return { geometry: told };
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

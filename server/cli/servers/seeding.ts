import { basename, resolve } from "node:path";
import type { AnnouncerStatus } from "#core/announce/announcer.ts";
import { geometryOf, type Torrent } from "#core/torrent/torrent.ts";
import { type PeerOptions, type RunningPeer, type ServedStore, startPeer } from "../../peer/peer.ts";
import { Inventory } from "../../peer/serving/inventory.ts";
import { openInPlaceStore } from "../../peer/stores/in-place-store.ts";
import { readCa } from "../clients/client-flags.ts";
import { dataDir } from "../clients/data-dir.ts";
import { trackersOfCatalog, warnOfBadTrackers } from "../clients/find-trackers.ts";
import { learnGeometry } from "../clients/learn-geometry.ts";
import { checkExists } from "../clients/make-torrent.ts";
import { readTorrentFile } from "../clients/torrent-source.ts";
import { UsageError } from "../line/exit-code.ts";
import type { CommonOption, Flags, ServerOption } from "../line/options.ts";
import type { Output } from "../line/output.ts";
import { type NumberRanges, plural } from "../line/units.ts";
import { edgeOptions, startOn } from "./serve.ts";

export type SeedingFlags = Flags<
  CommonOption | ServerOption | "peerPort" | "inventory" | "pieces" | "limitUpload" | "logRequests"
>;

/** A file or folder that is served in place. */
export interface Seeding {
  readonly path: string;
  readonly torrent: Torrent;
}

/** Options of a peer beyond serving its user's files. */
export type ForOthers = Pick<
  PeerOptions,
  "uploads" | "volunteer" | "zone" | "scrub" | "drainMs" | "announces" | "copies" | "allowNetworks"
>;

/**
 * Starts a peer that serves these paths; --inventory or --pieces limits the pieces that it serves. Fails with
 * UsageError for pieces that a torrent does not have.
 */
export async function startSeeding(
  seedings: readonly Seeding[],
  trackers: readonly string[],
  flags: SeedingFlags,
  out: Output,
  forOthers: ForOthers = {},
): Promise<RunningPeer> {
  const piecesOf = await readPieces(flags, seedings.length);
  const withdrawn = (infoHash: string) => peer.changed(infoHash);
  const opened: { torrent: Torrent; store: ServedStore }[] = [];
  for (const seeding of seedings) {
    const store = await openStore(seeding, piecesOf(seeding.torrent), withdrawn, out);
    opened.push({ torrent: seeding.torrent, store });
  }
  const ca = await readCa(flags);
  const peer = await startOn("peerPort", () =>
    startPeer({
      ...edgeOptions(flags, flags.peerPort, out),
      trackers,
      dataDir: dataDir(flags),
      ca,
      logRequests: flags.logRequests,
      limitBytesPerSecond: flags.limitUpload,
      onStatus: sayStatus(out, flags),
      ...forOthers,
    }),
  );
  // All in one turn of the event loop, so that the first announce names every torrent.
  for (const { torrent, store } of opened) peer.add(torrent, store);
  return peer;
}

/** Returns a listener that reports each change of a tracker's view of this peer. */
export function sayStatus(
  out: Output,
  flags: Pick<SeedingFlags, "host" | "publicUrl">,
): (tracker: string, status: AnnouncerStatus) => void {
  const said = new Map<string, string>();
  return (tracker, status) => {
    const { state, listed, reason, url } = status;
    const problem =
      state === "failing" ? `cannot announce to ${tracker}` : `${tracker} does not list this peer`;
    const line =
      listed && state === "announced"
        ? `${tracker} lists this peer as ${url}`
        : `${problem}: ${reason}${adviceOn(status, flags)}`;
    if (state === "stopped" || said.get(tracker) === line) return;
    said.set(tracker, line);
    out.event("announced", { tracker, listed, url, reason }, line);
  };
}

/** Advice for a peer that a tracker does not list. */
function adviceOn(
  { state, url }: AnnouncerStatus,
  { host, publicUrl }: Pick<SeedingFlags, "host" | "publicUrl">,
): string {
  if (state !== "announced") return "";
  if (url === "") return host === undefined ? "; give --host 0.0.0.0 to serve other machines" : "";
  return publicUrl === undefined ? "; if others reach it at another address, give --public-url" : "";
}

async function openStore(
  { path, torrent }: Seeding,
  pieces: readonly number[] | undefined,
  withdrawn: (infoHash: string) => void,
  out: Output,
): Promise<ServedStore> {
  const { infoHash } = torrent;
  const total = torrent.pieces.length;
  const geometry = geometryOf(torrent) ?? (await learnGeometry(torrent, path));
  const onWithdrawn = (index: number) => {
    out.warn(`${path}: piece ${index + 1} has changed on disk and is no longer served`);
    withdrawn(infoHash);
  };
  const store = await openInPlaceStore({ torrent, path, geometry, pieces, onWithdrawn });
  const held = store.held.count;
  out.event(
    "seeding",
    { path, info_hash: infoHash, held_pieces: held, total_pieces: total },
    `Serving ${path}: ${held} of ${plural(total, "piece")}`,
  );
  return store;
}

/** Returns the piece numbers to serve of each torrent; undefined means all. */
async function readPieces(
  flags: Pick<SeedingFlags, "inventory" | "pieces">,
  paths: number,
): Promise<(torrent: Torrent) => number[] | undefined> {
  const { inventory: file, pieces } = flags;
  if (file !== undefined && pieces !== undefined)
    throw new UsageError("use --inventory or --pieces, not both");
  if (pieces !== undefined) {
    if (paths > 1) throw new UsageError("--pieces takes one path; use --inventory for several");
    return (torrent) => [...numbersIn(pieces, torrent.pieces.length)];
  }
  if (file === undefined) return () => undefined;
  const inventory = await Inventory.read(file).catch((cause: Error) => {
    throw new UsageError(`${file}: ${cause.message}`, { cause });
  });
  return (torrent) => {
    if (!inventory.fileNames.includes(torrent.fileName))
      throw new UsageError(`${file} does not list ${torrent.fileName}`);
    return inventory.piecesOf(torrent);
  };
}

function* numbersIn(ranges: NumberRanges, total: number): Generator<number> {
  for (const [first, last] of ranges) {
    if (last > total)
      throw new UsageError(`--pieces: there is no piece ${last}; the torrent has ${plural(total, "piece")}`);
    for (let number = first; number <= last; number++) yield number;
  }
}

/** The trackers of the torrents and of --tracker, each once; if there are none, those that the catalog names. */
export async function trackersOfSeedings(
  seedings: readonly Seeding[],
  flags: Flags<CommonOption | "tracker" | "catalog">,
  out: Output,
  signal: AbortSignal,
): Promise<string[]> {
  for (const { torrent } of seedings) warnOfBadTrackers(torrent, out);
  const known = new Set([...seedings.flatMap(({ torrent }) => torrent.trackers), ...flags.tracker]);
  return known.size > 0 ? [...known] : trackersOfCatalog(flags.catalog, flags, out, signal);
}

/** Pairs each path with its torrent: the one in `files` (of --torrent) for it, else that which `otherwise` returns. */
export async function pairWithTorrents(
  paths: readonly string[],
  files: readonly string[],
  otherwise: (path: string) => Promise<Torrent>,
): Promise<Seeding[]> {
  const torrents = new Map<string, Torrent>();
  for (const file of files) {
    const torrent = await readTorrentFile(file);
    torrents.set(torrent.fileName, torrent);
  }
  // The only torrent belongs to the only path, whatever its file name is.
  const only = paths.length === 1 && torrents.size === 1 ? [...torrents.values()][0] : undefined;
  const seedings: Seeding[] = [];
  for (const path of paths) {
    await checkExists(path);
    const torrent = torrents.get(basename(resolve(path))) ?? only ?? (await otherwise(path));
    seedings.push({ path, torrent });
  }
  return seedings;
}

import { basename, resolve } from "node:path";
import type { AnnouncerStatus } from "#core/announce/announcer.ts";
import { geometryOf, type Torrent } from "#core/torrent/torrent.ts";
import type { EdgeOptions } from "../../http/handling/options.ts";
import { type PeerOptions, type RunningPeer, type ServedStore, startPeer } from "../../peer/peer.ts";
import { Inventory } from "../../peer/serving/inventory.ts";
import { openInPlaceStore } from "../../peer/stores/in-place-store.ts";
import { readCa } from "../clients/client-flags.ts";
import { dataDir } from "../clients/data-dir.ts";
import { eachOnce, trackersOfCatalog, warnOfBadTrackers } from "../clients/find-trackers.ts";
import { learnGeometry } from "../clients/learn-geometry.ts";
import { checkExists } from "../clients/make-torrent.ts";
import { readTorrentFile } from "../clients/torrent-source.ts";
import { UsageError } from "../line/exit-code.ts";
import type { CommonOption, Flags, OptionName, ServerOption } from "../line/options.ts";
import type { Output } from "../line/output.ts";
import { type NumberRanges, plural } from "../line/units.ts";
import { startOn } from "./serve.ts";

export type SeedingFlags = Flags<
  | CommonOption
  | ServerOption
  | "peerPort"
  | "followLinks"
  | "inventory"
  | "pieces"
  | "limitUpload"
  | "logRequests"
>;

/** A file or folder that is served in place. */
export interface Seeding {
  readonly path: string;
  readonly torrent: Torrent;
}

/** Options of a peer beyond serving its user's files. */
export type ForOthers = Pick<
  PeerOptions,
  | "uploads"
  | "volunteer"
  | "gateway"
  | "zone"
  | "scrub"
  | "drainMs"
  | "announces"
  | "copies"
  | "allowNetworks"
  | "onStatus"
> & {
  /** The flag that sets the port, for errors. Default: that of a peer. */
  readonly portOption?: OptionName | undefined;
};

/** Adds stores to the peer that serves them. */
export type AddTo = (peer: RunningPeer) => void;

/**
 * Opens the files of these paths; --inventory or --pieces limits the pieces that are served. Fails with UsageError for
 * pieces that a torrent does not have, and as openInPlaceStore does.
 */
export async function openSeedings(
  seedings: readonly Seeding[],
  flags: SeedingFlags,
  out: Output,
): Promise<AddTo> {
  const piecesOf = await readPieces(flags, seedings.length);
  const opened: { torrent: Torrent; store: ServedStore }[] = [];
  let server: RunningPeer | undefined;
  const withdrawn = (infoHash: string) => server?.changed(infoHash);
  for (const { path, torrent } of seedings) {
    const pieces = piecesOf(torrent);
    const { followLinks } = flags;
    const store = await openStore({ path, torrent }, { pieces, followLinks }, withdrawn, out);
    opened.push({ torrent, store });
  }
  return (peer) => {
    server = peer;
    // All in one turn of the event loop, so that the first announce names every torrent.
    for (const { torrent, store } of opened) peer.add(torrent, store);
  };
}

/** Starts a peer that serves no torrent yet. `edge`: of edgeOptions. */
export async function startSeeder(
  { edge, trackers }: { readonly edge: EdgeOptions; readonly trackers: readonly string[] },
  flags: SeedingFlags,
  out: Output,
  { portOption = "peerPort", ...forOthers }: ForOthers = {},
): Promise<RunningPeer> {
  const ca = await readCa(flags);
  return startOn(portOption, () =>
    startPeer({
      ...edge,
      trackers,
      dataDir: dataDir(flags),
      ca,
      logRequests: flags.logRequests,
      limitBytesPerSecond: flags.limitUpload,
      onStatus: sayStatus(out, flags),
      ...forOthers,
    }),
  );
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
  options: { readonly pieces: readonly number[] | undefined; readonly followLinks: boolean },
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
  const store = await openInPlaceStore({ torrent, path, geometry, onWithdrawn, ...options });
  const held = store.held.count;
  out.event(
    "seeding",
    { path, info_hash: infoHash, held_pieces: held, total_pieces: total },
    `Serving ${path}: ${held} of ${plural(total, "piece")}`,
  );
  return store;
}

/**
 * Returns the piece numbers to serve of each torrent; undefined means all. Fails with UsageError for --inventory and
 * --pieces that do not go together or cannot be read.
 */
export async function readPieces(
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
  torrents: readonly Torrent[],
  flags: Flags<CommonOption | "tracker" | "catalog">,
  out: Output,
  signal: AbortSignal,
): Promise<string[]> {
  for (const torrent of torrents) warnOfBadTrackers(torrent, out);
  const known = eachOnce([...torrents.flatMap(({ trackers }) => trackers), ...flags.tracker]);
  return known.length > 0 ? known : trackersOfCatalog(flags.catalog, flags, out, signal);
}

/** A path to serve, with the torrent of --torrent that belongs to it, if there is one. */
export interface Paired {
  readonly path: string;
  readonly torrent: Torrent | undefined;
}

/** Pairs each path with its torrent among those in `files`. Fails with UsageError for a path that does not exist. */
export async function pairWithTorrents(
  paths: readonly string[],
  files: readonly string[],
): Promise<Paired[]> {
  const torrents = new Map<string, Torrent>();
  for (const file of files) {
    const torrent = await readTorrentFile(file);
    torrents.set(torrent.fileName, torrent);
  }
  // The only torrent belongs to the only path, whatever its file name is.
  const only = paths.length === 1 && torrents.size === 1 ? [...torrents.values()][0] : undefined;
  for (const path of paths) await checkExists(path);
  return paths.map((path) => ({ path, torrent: torrents.get(basename(resolve(path))) ?? only }));
}

/** Gives each path its torrent: the one that it was paired with, else that which `make` returns. */
export async function completed(
  pairs: readonly Paired[],
  make: (path: string) => Promise<Torrent>,
): Promise<Seeding[]> {
  const seedings: Seeding[] = [];
  for (const { path, torrent } of pairs) seedings.push({ path, torrent: torrent ?? (await make(path)) });
  return seedings;
}

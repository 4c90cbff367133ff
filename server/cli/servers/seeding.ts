import { basename, resolve } from "node:path";
import type { AnnouncerStatus } from "#core/announce/announcer.ts";
import { geometryOf, type Torrent } from "#core/torrent/torrent.ts";
import { type PeerOptions, type RunningPeer, type ServedStore, startPeer } from "../../peer/peer.ts";
import { Inventory } from "../../peer/serving/inventory.ts";
import { openInPlaceStore } from "../../peer/stores/in-place-store.ts";
import { readCa } from "../clients/client-flags.ts";
import { dataDir } from "../clients/data-dir.ts";
import { learnGeometry } from "../clients/learn-geometry.ts";
import { checkExists } from "../clients/make-torrent.ts";
import { readTorrentFile } from "../clients/torrent-source.ts";
import { UsageError } from "../line/exit-code.ts";
import type { CommonOption, Flags, ServerOption } from "../line/options.ts";
import type { Output } from "../line/output.ts";
import { type PieceRanges, plural } from "../line/units.ts";
import { edgeOptions, startOn } from "./serve.ts";

export type SeedingFlags = Flags<
  CommonOption | ServerOption | "peerPort" | "inventory" | "pieces" | "limitUpload" | "logRequests"
>;

/** A file or folder to serve in place. */
export interface Seeding {
  readonly path: string;
  readonly torrent: Torrent;
}

/** What a peer does for others, besides serving. */
export type ForOthers = Pick<
  PeerOptions,
  "uploads" | "volunteer" | "zone" | "scrub" | "drainMs" | "announces" | "copies"
>;

/**
 * Starts a peer that serves these paths, or of each the pieces that --inventory or --pieces names. Fails with
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
  // At once, so that the first announce has them all.
  for (const { torrent, store } of opened) peer.add(torrent, store);
  return peer;
}

/** Says what each tracker makes of this peer, whenever that changes. */
export function sayStatus(
  out: Output,
  flags: Pick<SeedingFlags, "host" | "publicUrl">,
): (tracker: string, status: AnnouncerStatus) => void {
  const said = new Map<string, string>();
  return (tracker, status) => {
    const { state, listed, reason, url } = status;
    const problem =
      state === "failing" ? `cannot announce to ${tracker}` : `${tracker} does not name this peer`;
    const line =
      listed && state === "announced"
        ? `${tracker} names this peer as ${url}`
        : `${problem}: ${reason}${adviceOn(status, flags)}`;
    if (state === "stopped" || said.get(tracker) === line) return;
    said.set(tracker, line);
    out.event("announced", { tracker, listed, url, reason }, line);
  };
}

/** What may help a peer that is not named. */
function adviceOn(
  { state, url }: AnnouncerStatus,
  { host, publicUrl }: Pick<SeedingFlags, "host" | "publicUrl">,
): string {
  if (state !== "announced") return "";
  if (url === "") return host === undefined ? "; say --host 0.0.0.0 to serve other machines" : "";
  return publicUrl === undefined ? "; if others reach it at another address, say --public-url" : "";
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
    out.warn(`${path}: piece ${index + 1} has changed, so it is not served any more`);
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

/** Which pieces of a torrent to hold; undefined means all. */
async function readPieces(
  flags: Pick<SeedingFlags, "inventory" | "pieces">,
  paths: number,
): Promise<(torrent: Torrent) => number[] | undefined> {
  const { inventory: file, pieces } = flags;
  if (file !== undefined && pieces !== undefined)
    throw new UsageError("--inventory and --pieces exclude each other");
  if (pieces !== undefined) {
    if (paths > 1) throw new UsageError("--pieces needs exactly one path; use --inventory for more");
    return (torrent) => [...numbersIn(pieces, torrent.pieces.length)];
  }
  if (file === undefined) return () => undefined;
  const inventory = await Inventory.read(file).catch((cause: Error) => {
    throw new UsageError(`${file}: ${cause.message}`, { cause });
  });
  return (torrent) => {
    if (!inventory.fileNames.includes(torrent.fileName))
      throw new UsageError(`${file} says nothing of ${torrent.fileName}`);
    return inventory.piecesOf(torrent);
  };
}

function* numbersIn(ranges: PieceRanges, total: number): Generator<number> {
  for (const [first, last] of ranges) {
    if (last > total) throw new UsageError(`--pieces: the torrent has ${total} pieces, not ${last}`);
    for (let number = first; number <= last; number++) yield number;
  }
}

/** The torrents of --torrent, by file name. */
export async function readTorrents(files: readonly string[]): Promise<Map<string, Torrent>> {
  const torrents = new Map<string, Torrent>();
  for (const file of files) {
    const torrent = await readTorrentFile(file);
    torrents.set(torrent.fileName, torrent);
  }
  return torrents;
}

/** The torrent of a path among those given: by name, or the only one there is for the only path. */
export async function givenTorrent(
  path: string,
  paths: readonly string[],
  torrents: ReadonlyMap<string, Torrent>,
): Promise<Torrent | undefined> {
  await checkExists(path);
  const named = torrents.get(basename(resolve(path)));
  const only = paths.length === 1 && torrents.size === 1 ? [...torrents.values()][0] : undefined;
  return named ?? only;
}

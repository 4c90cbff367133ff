import type { Writable } from "node:stream";
import type { Bitfield } from "#core/bitfield.ts";
import { Download } from "#core/download.ts";
import { learnLengths } from "#core/learn-lengths.ts";
import { type LearnedPieces, putLearned } from "#core/learned-pieces.ts";
import type { DownloadOptions } from "#core/options.ts";
import type { RemotePeer } from "#core/peer.ts";
import { MAX_PIECE_LENGTH, type PieceGeometry, type PieceIndex } from "#core/piece.ts";
import type { RateLimit } from "#core/rate-limit.ts";
import { remotePeer, remoteSeedPeer, remoteTracker } from "#core/rpc.ts";
import { piecesOfFiles } from "#core/selection.ts";
import type { DownloadSnapshot } from "#core/snapshot.ts";
import type { PieceStore } from "#core/store.ts";
import { geometryOf, type Torrent } from "#core/torrent.ts";
import type { Tracker } from "#core/tracker.ts";
import { openTransport, type TransportKind } from "../http/transports.ts";
import { nodeClock } from "../node-clock.ts";
import { nodeHasher } from "../node-hasher.ts";
import { FilePieceStore, type SyncMode } from "./file-piece-store.ts";
import { Patience } from "./patience.ts";
import type { RunningPeer } from "./peer.ts";
import { openSeed, type SeedStore } from "./seed-store.ts";
import type { SharedPeer } from "./shared-peer.ts";
import { SocketPeer } from "./socket-peer.ts";
import { StreamStore } from "./stream-store.ts";

export interface GetOptions {
  readonly torrent: Torrent;
  /** The path that the finished file or folder gets, or a stream that gets the bytes in order and is not closed. */
  readonly target: string | Writable;
  /** Of a folder, the files to get, by index; for a stream exactly one. Default: all. */
  readonly select?: readonly number[] | undefined;
  /** URLs in order of preference; at least one. */
  readonly trackers: readonly string[];
  /** What carries the pieces; "auto" is the fastest way that a peer speaks. Default "auto". */
  readonly transport?: TransportKind | "auto" | undefined;
  readonly sync?: SyncMode | undefined;
  /** Take the place of what has the target's name. Default false. */
  readonly replace?: boolean | undefined;
  /** PEM, to trust besides the system's certificates. */
  readonly ca?: string | undefined;
  /** Ends the download when it has waited for peers for so long without a piece. Default: never. */
  readonly giveUpAfterMs?: number | undefined;
  readonly download?: DownloadOptions | undefined;
  /** What the download asks for keeps to this rate; several may share one. */
  readonly limit?: RateLimit | undefined;
  /** Serves what has come to others meanwhile; the caller closes it. Default: nobody is served. */
  readonly serve?: SharedPeer | undefined;
  /** While a torrent without lengths waits for its first pieces: what it waits for. */
  readonly onWaiting?: ((reason: string) => void) | undefined;
  /** Ends startGet while it waits. Once it has resolved, `stop` ends the download. */
  readonly signal?: AbortSignal | undefined;
}

export interface RunningGet {
  readonly download: Download;
  /** Undefined if nobody is served. */
  readonly peer: RunningPeer | undefined;
  /**
   * Resolves when the file has its name and is still being served. Rejects with what failed, with GaveUp, or with an
   * AbortError if `stop` came first.
   */
  readonly done: Promise<DownloadSnapshot>;
  /** Ends everything; with `drain`, others get what they have asked for first and `serve` is closed. What is held stays for the next time. */
  stop(options?: { drain?: boolean }): Promise<void>;
}

/** Room for what is around a piece in its message. */
const MESSAGE_SLACK_BYTES = 1 << 10;
/** Room for the other answers of a peer where pieces are tiny: a bitfield of the most pieces is 16 KiB. */
const MIN_READ_BYTES = 64 << 10;

/** Downloads one torrent to the disk and serves it to others while it does: a leecher on Node. */
export async function startGet(options: GetOptions): Promise<RunningGet> {
  const { torrent, serve } = options;
  const trackers = openTrackers(options);
  const cleanUp: CleanUp[] = [trackers.close];
  try {
    const { geometry, pieces } = await lengthsOf(options, trackers.list);
    const store = await openStore(options, geometry);
    cleanUp.unshift(() => store.close());
    const learned = await putLearned(store, pieces);
    let peer: RunningPeer | undefined;
    const download = new Download({
      torrent,
      store,
      wanted: wantedPieces(options, geometry),
      learned,
      trackers: trackers.list,
      connect: (url, seed) =>
        connectPeer(options, { url, seed, pieceLength: (index) => geometry.lengthOf(index) }),
      hasher: nodeHasher,
      clock: nodeClock,
      random: Math.random,
      options: { ...options.download, ...(store instanceof StreamStore && { sequential: true }) },
      limit: options.limit,
      onHeld: () => peer?.changed(torrent.infoHash),
      isSelf: (url) => serve?.isSelf(url) ?? false,
    });
    cleanUp.unshift(() => download.stop());
    if (store instanceof StreamStore) followHorizon(store, download);
    // Before the server is even loaded: the first pieces come while it starts.
    download.start();
    // What a stream was given is gone, and cannot be given to others.
    peer = store instanceof StreamStore ? undefined : await serve?.start();
    if (peer) {
      cleanUp.unshift(() => peer?.remove(torrent.infoHash));
      peer.add(torrent, store);
    }
    return run({ download, store, peer, options, cleanUp });
  } catch (error) {
    await inOrder(cleanUp);
    throw error;
  }
}

type CleanUp = () => void | Promise<void>;

interface Parts {
  readonly download: Download;
  readonly store: PieceStore;
  readonly peer: RunningPeer | undefined;
  readonly options: GetOptions;
  readonly cleanUp: readonly CleanUp[];
}

function run({ download, store, peer, options, cleanUp }: Parts): RunningGet {
  const patience = new Patience(options.giveUpAfterMs);
  const unsubscribe = download.subscribe(() => patience.watch(download.peek()));
  const done = Promise.race([ended(download), patience.lost]).finally(() => {
    unsubscribe();
    patience.end();
  });
  const seeding = done.then(
    () => seedInPlace(options, store, peer),
    () => download.stop(),
  );
  let stopping: Promise<void> | undefined;
  const stop = async (drain: boolean) => {
    await download.stop();
    if (drain) await options.serve?.drain();
    await inOrder(cleanUp);
    (await seeding)?.close();
  };
  return {
    download,
    peer,
    done,
    stop(stopOptions = {}) {
      stopping ??= stop(stopOptions.drain ?? false);
      return stopping;
    },
  };
}

/**
 * The file is its owner's from now on, who may change it: so it is served like any file that is seeded where it lies,
 * every piece hashed before it leaves.
 */
async function seedInPlace(
  options: GetOptions,
  store: PieceStore,
  peer: RunningPeer | undefined,
): Promise<SeedStore | undefined> {
  const { torrent, target } = options;
  if (!peer || typeof target !== "string") return undefined;
  // Files that were selected have their places, and what else is held has not: there is no one place to serve from.
  if (!store.held.complete) {
    peer.remove(torrent.infoHash);
    return undefined;
  }
  const { geometry } = store;
  const onWithdrawn = () => peer.changed(torrent.infoHash);
  peer.completed(torrent.infoHash);
  // Whatever goes wrong here (the file is gone already) costs only what others would have been given.
  const seed = await openSeed({ torrent, geometry, path: target, onWithdrawn }).catch(() => undefined);
  if (seed) peer.add(torrent, seed);
  else peer.remove(torrent.infoHash);
  return seed;
}

async function ended(download: Download): Promise<DownloadSnapshot> {
  const last = await download.whenDone;
  if (last.state === "complete") return last;
  throw download.failure ?? new DOMException("the download was stopped", "AbortError");
}

async function openStore(options: GetOptions, geometry: PieceGeometry): Promise<PieceStore> {
  const { torrent, target, select, sync, replace } = options;
  if (typeof target === "string") {
    return FilePieceStore.open({ torrent, geometry, target, select, sync, replace, hasher: nodeHasher });
  }
  return new StreamStore({ geometry, output: target, range: select && rangeOf(torrent, select[0]!) });
}

function rangeOf({ files = [] }: Torrent, index: number): { offset: number; length: number } {
  const offset = files.slice(0, index).reduce((sum, { length }) => sum + length, 0);
  return { offset, length: files[index]!.length };
}

function wantedPieces({ torrent, select }: GetOptions, geometry: PieceGeometry): Bitfield | undefined {
  return select && torrent.files && piecesOfFiles(torrent.files, select, geometry);
}

function followHorizon(store: StreamStore, download: Download): void {
  store.onHorizon = (horizon) => download.askBelow(horizon);
  download.askBelow(store.horizon);
}

/** Where the pieces lie, by the torrent's word or, for one of the seed's form, by its first and last piece. */
async function lengthsOf(
  options: GetOptions,
  trackers: readonly Tracker[],
): Promise<{ geometry: PieceGeometry; pieces: LearnedPieces }> {
  const { torrent, signal } = options;
  const geometry = geometryOf(torrent);
  if (geometry) return { geometry, pieces: new Map() };
  const given = new AbortController();
  const patience = new Patience(options.giveUpAfterMs);
  patience.lost.catch((error) => given.abort(error));
  try {
    return await learnLengths({
      torrent,
      trackers,
      connect: (url, seed) => connectPeer(options, { url, seed, pieceLength: () => MAX_PIECE_LENGTH }),
      hasher: nodeHasher,
      clock: nodeClock,
      random: Math.random,
      signal: signal ? AbortSignal.any([signal, given.signal]) : given.signal,
      onWaiting: (reason, located) => {
        patience.watch({ state: "waiting", reason, located });
        options.onWaiting?.(reason);
      },
    });
  } finally {
    patience.end();
  }
}

function openTrackers({ trackers, ca }: GetOptions): { list: Tracker[]; close: () => void } {
  const opened = trackers.map((url) => ({ url, ...openTransport(url, "grpc", { ca }) }));
  return {
    list: opened.map(({ url, transport }) => remoteTracker({ url, transport })),
    close: () => {
      for (const { close } of opened) close();
    },
  };
}

interface NamedPeer {
  readonly url: string;
  /** Registered under the seed's contract. */
  readonly seed: boolean;
  readonly pieceLength: (index: PieceIndex) => number;
}

/**
 * The way to one peer: "auto" is plain sockets where the peer speaks http, else the library's Connect. A seed peer may
 * speak nothing but gRPC.
 */
function connectPeer(options: GetOptions, { url, seed, pieceLength }: NamedPeer): RemotePeer {
  const { torrent, ca, transport: wanted = "auto" } = options;
  const kind = seed ? "grpc" : wanted === "auto" ? "connect" : wanted;
  // A torrent without lengths may turn out to contradict itself: then a piece is read that is longer than the others.
  const longest = torrent.lengths ? Math.max(torrent.lengths.pieceLength, MIN_READ_BYTES) : MAX_PIECE_LENGTH;
  const { transport, close } = openTransport(url, kind, { ca, readMaxBytes: longest + MESSAGE_SLACK_BYTES });
  const { infoHash, fileName } = torrent;
  const way = { url, transport, pieceLength, clock: nodeClock, close };
  if (seed) return remoteSeedPeer({ ...way, fileName });
  const swarm = { infoHash, totalPieces: torrent.pieces.length };
  const stock = remotePeer({ ...way, transportName: kind, swarm });
  if (wanted !== "auto" || !url.startsWith("http://")) return stock;
  return new SocketPeer({ url, infoHash, pieceLength, clock: nodeClock, stock });
}

async function inOrder(steps: readonly CleanUp[]): Promise<void> {
  for (const step of steps) await step();
}

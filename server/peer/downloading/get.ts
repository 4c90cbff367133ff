import type { Writable } from "node:stream";
import type { Bitfield } from "#core/base/bitfield.ts";
import type { RateLimit } from "#core/base/rate-limit.ts";
import { Download } from "#core/download/download.ts";
import { learnLengths } from "#core/download/learn-lengths.ts";
import { type LearnedPieces, putLearned } from "#core/download/learned-pieces.ts";
import type { DownloadOptions } from "#core/download/options.ts";
import type { DownloadSnapshot } from "#core/download/snapshot.ts";
import type { PieceStore } from "#core/ports/store.ts";
import type { Tracker } from "#core/ports/tracker.ts";
import { MAX_PIECE_LENGTH, type PieceGeometry, type PieceIndex } from "#core/torrent/piece.ts";
import { piecesOfFiles } from "#core/torrent/selection.ts";
import { geometryOf, type Torrent } from "#core/torrent/torrent.ts";
import { nodeClock } from "../../base/node-clock.ts";
import { nodeHasher } from "../../base/node-hasher.ts";
import { Reach } from "../../http/client/reach.ts";
import type { TransportKind } from "../../http/client/transports.ts";
import type { PeerOptions, RunningPeer } from "../peer.ts";
import { FilePieceStore, type FilePieceStoreOptions } from "../stores/file-piece-store.ts";
import { StreamStore } from "../stores/stream-store.ts";
import { connectPeer, openTracker, type Ways } from "../transports/connect.ts";
import { PeerFailures } from "../transports/peer-failures.ts";
import type { OpenTracker } from "../transports/plain-tracker.ts";
import { DownloadServing } from "./download-serving.ts";
import { WaitLimit } from "./patience.ts";
import type { SharedPeer } from "./shared-peer.ts";

export interface GetOptions
  extends Pick<FilePieceStoreOptions, "torrent" | "sync" | "replace" | "reuse" | "onChecked">,
    Pick<PeerOptions, "ca"> {
  /** Path of the finished file or folder, or a stream that is given the bytes in order and is not closed. */
  readonly target: string | Writable;
  /** For a folder, the indices of the files to get; for a stream exactly one. Default: all. */
  readonly select?: readonly number[] | undefined;
  /** URLs in order of preference; at least one. */
  readonly trackers: readonly string[];
  /** Networks (CIDR) in which peers are dialled besides, whoever names them. See Reach. */
  readonly allowNetworks?: readonly string[] | undefined;
  /** Protocol for pieces; "auto" is the fastest that the peer speaks. Default "auto". */
  readonly transport?: TransportKind | "auto" | undefined;
  /** Peers of this zone are preferred where there are enough of them. */
  readonly zone?: string | undefined;
  /** Ends the download after it has waited for peers for this time without a piece. Default: never. */
  readonly giveUpAfterMs?: number | undefined;
  readonly download?: DownloadOptions | undefined;
  /** Limits the rate of requests; several downloads may share one. */
  readonly limit?: RateLimit | undefined;
  /** Serves the downloaded pieces to other peers; the caller closes it. Default: none are served. */
  readonly serve?: SharedPeer | undefined;
  /** Whether to keep serving after the download is done. Default true. */
  readonly seedWhenDone?: boolean | undefined;
  /** Called while a torrent without lengths waits for its first pieces, with the reason. */
  readonly onWaiting?: ((reason: string) => void) | undefined;
  /** Aborts startGet while it waits. After startGet has resolved, use `stop`. */
  readonly signal?: AbortSignal | undefined;
}

export interface RunningGet {
  readonly download: Download;
  /** Bytes of the pieces that were found in the target or in files of `reuse`. */
  readonly reusedBytes: number;
  /**
   * Resolves when the file has its name. Rejects with the download's failure, GaveUp, or an AbortError after `stop`.
   */
  readonly done: Promise<DownloadSnapshot>;
  /** After `done`: the peer that serves the files; undefined if none does. Rejects if it cannot start. */
  readonly seeding: Promise<RunningPeer | undefined>;
  /** Ends download and serving; held pieces stay. `drain` first answers other peers' requests and closes `serve`. */
  stop(options?: { drain?: boolean }): Promise<void>;
}

/** Downloads one torrent and serves it to other peers meanwhile: a leecher on Node. */
export async function startGet(options: GetOptions): Promise<RunningGet> {
  const { torrent, transport = "auto", ca } = options;
  const ways: Ways = { transport, ca, reach: new Reach({ allowNetworks: options.allowNetworks }) };
  const cleanUp: CleanUp[] = [];
  try {
    const trackers = await openTrackers(options, ways);
    cleanUp.unshift(...trackers.map((tracker) => () => tracker.close()));
    const { geometry, pieces } = await lengthsOf(options, ways, trackers);
    const store = await openStore(options, geometry);
    cleanUp.unshift(() => store.close());
    const learned = await putLearned(store, pieces);
    const serving = servingOf(options, store);
    const failures = new PeerFailures(torrent.infoHash, (failure) => serving?.report(failure));
    const download = new Download({
      torrent,
      store,
      wanted: wantedPieces(options, geometry),
      learned,
      trackers,
      connect: (url, seed) => {
        const pieceLength = (index: PieceIndex) => geometry.lengthOf(index);
        return failures.watch(connectPeer(torrent, ways, { url, legacy: seed, pieceLength }));
      },
      hasher: nodeHasher,
      clock: nodeClock,
      random: Math.random,
      options: { ...options.download, ...(store instanceof StreamStore && { sequential: true }) },
      limit: options.limit,
      onHeld: (index) => serving?.held(index),
      isSelf: (url) => options.serve?.isSelf(url) ?? false,
    });
    cleanUp.unshift(() => download.stop());
    if (serving) cleanUp.unshift(() => serving.stop());
    if (store instanceof StreamStore) {
      store.onHorizon = (horizon) => download.askBelow(horizon);
      download.askBelow(store.horizon);
    }
    download.start();
    serving?.watch(download);
    const reusedBytes = store instanceof FilePieceStore ? store.reusedBytes : 0;
    return { reusedBytes, ...run({ download, serving, failures, options, cleanUp }) };
  } catch (error) {
    await inOrder(cleanUp);
    throw error;
  }
}

type CleanUp = () => void | Promise<void>;

interface Parts {
  readonly download: Download;
  readonly serving: DownloadServing | undefined;
  readonly failures: PeerFailures;
  readonly options: GetOptions;
  readonly cleanUp: readonly CleanUp[];
}

function run({ download, serving, failures, options, cleanUp }: Parts): Omit<RunningGet, "reusedBytes"> {
  const { target, seedWhenDone = true } = options;
  const waitLimit = new WaitLimit(options.giveUpAfterMs);
  const unsubscribe = download.subscribe(() => {
    const snapshot = download.peek();
    waitLimit.watch(snapshot);
    failures.look(snapshot.peers);
  });
  const ends = serving ? [waitLimit.lost, serving.failed] : [waitLimit.lost];
  const done = Promise.race([ended(download), ...ends]).finally(() => {
    unsubscribe();
    waitLimit.end();
  });
  const seeding = done.then(
    async () => {
      if (seedWhenDone && typeof target === "string") return serving?.seed(target);
      await serving?.stop();
      return undefined;
    },
    () => download.stop().then(() => undefined),
  );
  seeding.catch(() => {});
  let stopping: Promise<void> | undefined;
  const stop = async (drain: boolean) => {
    await download.stop();
    if (drain) await options.serve?.drain();
    await inOrder(cleanUp);
  };
  return {
    download,
    done,
    seeding,
    stop(stopOptions = {}) {
      stopping ??= stop(stopOptions.drain ?? false);
      return stopping;
    },
  };
}

/** Bytes written to a stream cannot be read again, so they are not served. */
function servingOf({ serve, torrent, select }: GetOptions, store: PieceStore): DownloadServing | undefined {
  if (!serve || store instanceof StreamStore) return undefined;
  return new DownloadServing(serve, torrent, store, { isPartial: select !== undefined });
}

async function ended(download: Download): Promise<DownloadSnapshot> {
  const last = await download.whenDone;
  if (last.state === "complete") return last;
  throw download.failure ?? new DOMException("the download was stopped", "AbortError");
}

async function openStore(options: GetOptions, geometry: PieceGeometry): Promise<PieceStore> {
  const { torrent, target, select } = options;
  if (typeof target === "string") {
    const { sync, replace, reuse, onChecked, signal } = options;
    const files = { target, select, sync, replace, reuse };
    return FilePieceStore.open({ torrent, geometry, ...files, onChecked, signal, hasher: nodeHasher });
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

/** The torrent's geometry: from its lengths or, for a legacy torrent, learned from its first and last piece. */
async function lengthsOf(
  options: GetOptions,
  ways: Ways,
  trackers: readonly Tracker[],
): Promise<{ geometry: PieceGeometry; pieces: LearnedPieces }> {
  const { torrent, signal } = options;
  const geometry = geometryOf(torrent);
  if (geometry) return { geometry, pieces: new Map() };
  const given = new AbortController();
  const waitLimit = new WaitLimit(options.giveUpAfterMs);
  waitLimit.lost.catch((error) => given.abort(error));
  try {
    return await learnLengths({
      torrent,
      trackers,
      connect: (url, seed) =>
        connectPeer(torrent, ways, { url, legacy: seed, pieceLength: () => MAX_PIECE_LENGTH }),
      hasher: nodeHasher,
      clock: nodeClock,
      random: Math.random,
      signal: signal ? AbortSignal.any([signal, given.signal]) : given.signal,
      onWaiting: (reason, located) => {
        waitLimit.watch({ state: "waiting", reason, located, promising: false, heldPieces: 0 });
        options.onWaiting?.(reason);
      },
    });
  } finally {
    waitLimit.end();
  }
}

async function openTrackers(options: GetOptions, ways: Ways): Promise<OpenTracker[]> {
  const opened = await Promise.all(options.trackers.map((url) => openTracker(url, ways)));
  const { zone } = options;
  if (zone === undefined) return opened;
  return opened.map((tracker) => ({
    url: tracker.url,
    announce: (announce, signal) => tracker.announce(announce, signal),
    close: () => tracker.close(),
    locate: (query, signal) => tracker.locate({ ...query, zone }, signal),
  }));
}

async function inOrder(steps: readonly CleanUp[]): Promise<void> {
  for (const step of steps) await step();
}

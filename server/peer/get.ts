import { Download } from "#core/download.ts";
import { PiezaError } from "#core/errors.ts";
import { learnLengths } from "#core/learn-lengths.ts";
import type { DownloadOptions } from "#core/options.ts";
import type { RemotePeer } from "#core/peer.ts";
import { MAX_PIECE_LENGTH, type PieceGeometry, type PieceIndex } from "#core/piece.ts";
import type { RateLimit } from "#core/rate-limit.ts";
import { remotePeer, remoteSeedPeer, remoteTracker } from "#core/rpc.ts";
import type { DownloadSnapshot } from "#core/snapshot.ts";
import { geometryOf, type Torrent } from "#core/torrent.ts";
import type { Tracker } from "#core/tracker.ts";
import type { EdgeOptions } from "../http/options.ts";
import { openTransport, type TransportKind } from "../http/transports.ts";
import { nodeClock } from "../node-clock.ts";
import { nodeHasher } from "../node-hasher.ts";
import { FilePieceStore, type SyncMode } from "./file-piece-store.ts";
import type { PeerOptions, RunningPeer } from "./peer.ts";
import { openSeed } from "./seed-store.ts";
import { SocketPeer } from "./socket-peer.ts";

export interface GetOptions {
  readonly torrent: Torrent;
  /** The path that the finished file or folder gets. */
  readonly target: string;
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
  /** How to serve what has come to others meanwhile; undefined: serve nobody. */
  readonly serve?: (EdgeOptions & Pick<PeerOptions, "dataDir" | "limitBytesPerSecond">) | undefined;
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
  /** Ends everything; with `drain`, others get what they have asked for first. What is held stays for the next time. */
  stop(options?: { drain?: boolean }): Promise<void>;
}

/** Room for what is around a piece in its message. */
const MESSAGE_SLACK_BYTES = 1 << 10;
/** Room for the other answers of a peer where pieces are tiny: a bitfield of the most pieces is 16 KiB. */
const MIN_READ_BYTES = 64 << 10;

/** Nobody had the missing pieces for as long as the caller was willing to wait. */
export class GaveUp extends PiezaError {
  /** False if no tracker has ever answered, so that nobody knows whether there are peers. */
  readonly trackerReached: boolean;

  constructor(reason: string, trackerReached: boolean) {
    super("unavailable", `gave up waiting: ${reason}`);
    this.trackerReached = trackerReached;
  }
}

/** Downloads one torrent to the disk and serves it to others while it does: a leecher on Node. */
export async function startGet(options: GetOptions): Promise<RunningGet> {
  const { torrent, target } = options;
  const trackers = openTrackers(options);
  const cleanUp = [trackers.close];
  try {
    const { geometry, pieces } = await lengthsOf(options, trackers.list);
    const { sync, replace } = options;
    const store = await FilePieceStore.open({ torrent, geometry, target, sync, replace, hasher: nodeHasher });
    cleanUp.unshift(() => store.close());
    for (const [index, bytes] of pieces) {
      store.write(index, 0, bytes);
      await store.commit(index);
    }
    const own = new Set<string>();
    let peer: RunningPeer | undefined;
    const download = new Download({
      torrent,
      store,
      trackers: trackers.list,
      connect: (url, seed) =>
        connectPeer(options, { url, seed, pieceLength: (index) => geometry.lengthOf(index) }),
      hasher: nodeHasher,
      clock: nodeClock,
      random: Math.random,
      options: options.download ?? {},
      limit: options.limit,
      onHeld: () => peer?.changed(torrent.infoHash),
      isSelf: (url) => own.has(url),
    });
    cleanUp.unshift(() => download.stop());
    // Before the server is even loaded: the first pieces come while it starts.
    download.start();
    peer = await serveMeanwhile(options, own);
    if (peer) {
      own.add(peer.url);
      cleanUp.unshift(peer.close.bind(peer));
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
  readonly store: FilePieceStore;
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
  done.then(
    () => seedInPlace(options, store, peer),
    () => download.stop(),
  );
  let stopping: Promise<void> | undefined;
  const stop = async (drain: boolean) => {
    await download.stop();
    if (drain) await peer?.drain();
    await inOrder(cleanUp);
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
  store: FilePieceStore,
  peer: RunningPeer | undefined,
): Promise<void> {
  if (!peer) return;
  const { torrent, target } = options;
  const { geometry } = store;
  const onWithdrawn = () => peer.changed(torrent.infoHash);
  peer.completed(torrent.infoHash);
  // Whatever goes wrong here (the file is gone already) costs only what others would have been given.
  await openSeed({ torrent, geometry, path: target, onWithdrawn }).then(
    (seed) => peer.add(torrent, seed),
    () => peer.remove(torrent.infoHash),
  );
}

async function ended(download: Download): Promise<DownloadSnapshot> {
  const last = await download.whenDone;
  if (last.state === "complete") return last;
  throw download.failure ?? new DOMException("the download was stopped", "AbortError");
}

/** Measures how long a download has been waiting. */
class Patience {
  readonly lost: Promise<never>;
  readonly #limitMs: number | undefined;
  #cancel: (() => void) | undefined;
  #waitingFor = { reason: "", located: false };
  #lose: (error: GaveUp) => void = () => {};

  constructor(limitMs: number | undefined) {
    this.#limitMs = limitMs;
    this.lost = new Promise((_, reject) => {
      this.#lose = reject;
    });
    this.lost.catch(() => {});
  }

  watch({ state, reason, located }: Pick<DownloadSnapshot, "state" | "reason" | "located">): void {
    if (state !== "waiting") this.end();
    else this.#waitingFor = { reason, located };
    if (state !== "waiting" || this.#limitMs === undefined || this.#cancel) return;
    this.#cancel = nodeClock.after(this.#limitMs, () =>
      this.#lose(new GaveUp(this.#waitingFor.reason, this.#waitingFor.located)),
    );
  }

  end(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}

/** Where the pieces lie, by the torrent's word or, for one of the seed's form, by its first and last piece. */
async function lengthsOf(
  options: GetOptions,
  trackers: readonly Tracker[],
): Promise<{ geometry: PieceGeometry; pieces: ReadonlyMap<PieceIndex, Uint8Array> }> {
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

async function serveMeanwhile(options: GetOptions, own: Set<string>): Promise<RunningPeer | undefined> {
  const { serve, trackers, ca } = options;
  if (!serve) return undefined;
  const { startPeer } = await import("./peer.ts");
  return startPeer({ ...serve, ...ownAddresses(own), trackers, ca });
}

/** Remembers under which URLs trackers know us. */
function ownAddresses(own: Set<string>) {
  return {
    onStatus(_: string, status: { url?: string }) {
      if (status.url) own.add(status.url);
    },
  };
}

async function inOrder(steps: readonly CleanUp[]): Promise<void> {
  for (const step of steps) await step();
}

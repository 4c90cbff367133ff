import { join } from "node:path";
import type { FailureReport } from "#core/ports/tracker.ts";
import type { PieceIndex } from "#core/torrent/piece.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { nodeClock } from "../base/node-clock.ts";
import { Reach } from "../http/client/reach.ts";
import type { RunningServer } from "../http/listening/server.ts";
import { type Announces, Announcing, type AnnouncingOptions } from "./announcing/announcing.ts";
import { atMost } from "./announcing/at-most.ts";
import type { CopyKeeper, CopyServing } from "./announcing/copy-keeper.ts";
import { Gateway, type GatewayRules, type GatewayServing } from "./gateway/gateway.ts";
import { logRottenPiece } from "./rotten-piece.ts";
import { Scrub } from "./serving/scrub.ts";
import { type Serving, type ServingOptions, startServing } from "./serving/serving.ts";
import { type StoredServing, StoredTorrents, type UploadOptions } from "./serving/stored-torrents.ts";
import type { Part, PieceCounts, ServedStore } from "./stores/served-torrents.ts";
import { Volunteer, type VolunteerRules } from "./volunteer/volunteer.ts";

export type { ServedStore } from "./stores/served-torrents.ts";

export interface PeerOptions
  extends Omit<ServingOptions, "identifyKeys" | "stored" | "contentSource">,
    Pick<AnnouncingOptions, "trackers" | "ca" | "onStatus" | "zone"> {
  /** Holds leases, stored torrents and copies, in a subfolder of the port. With port 0 leases are not kept. */
  readonly dataDir: string;
  /** Lets publishers store torrents in `dataDir`, within these limits. Default: none. */
  readonly uploads?: UploadOptions | undefined;
  /** Space in `dataDir` that this peer lends to the swarm for copies. Default: none. */
  readonly volunteer?: VolunteerRules | undefined;
  /** Makes the content of every torrent of these catalogs readable, through a cache in `dataDir`. Default: no. */
  readonly gateway?: GatewayRules | undefined;
  /** Networks (CIDR) in which peers are dialled besides, whoever names them. See Reach. */
  readonly allowNetworks?: readonly string[] | undefined;
  /** Set where other processes announce the torrents and keep the copies: see roles/. Default: this process. */
  readonly announces?: Announces | undefined;
  readonly copies?: CopyKeeper | undefined;
  /** Hashes everything held again, at this rate and interval. Default: never. */
  readonly scrub?: { readonly bytesPerSecond: number; readonly everyMs: number } | undefined;
  /** Time that `drain` waits for other peers to copy what only this peer has. Default 0. */
  readonly drainMs?: number | undefined;
}

export interface RunningPeer extends Pick<RunningServer, "url" | "port"> {
  /** Serves and announces the pieces that `store` holds. Called again, it replaces the torrent's store. */
  add(torrent: Torrent, store: ServedStore): void;
  remove(infoHash: string): void;
  /** Call when pieces became held or are no longer held. */
  changed(infoHash: string): void;
  /** Call when the last piece became held. */
  completed(infoHash: string): void;
  /** Reports another peer's failure to the trackers. */
  report(failure: FailureReport): void;
  /** By info hash and piece index: the requests answered. */
  served(): ReadonlyMap<string, ReadonlyMap<number, PieceCounts>>;
  /**
   * Leaves without failing a downloader: asks the trackers not to name this peer any more, serves on while others
   * copy what only it has, refuses new requests, finishes those in progress (at most 10 s) and says goodbye.
   */
  drain(): Promise<void>;
  /** Tells the trackers that it leaves and closes at once; answers in progress are cut off. */
  close(): Promise<void>;
}

const DRAIN_MS = 10_000;
/** Longest wait for the trackers to hear that the peer leaves; without that, its leases expire. */
const GOODBYE_MS = 2_000;
/** Time for calls without pieces to finish when a drained peer closes. */
const SMALL_CALLS_MS = 1_000;

/** Starts a peer: one port that serves pieces, announced to every tracker. Fails as startServer does. */
export async function startPeer(options: PeerOptions): Promise<RunningPeer> {
  const folder = join(options.dataDir, `peer-${options.port}`);
  const { trackers, ca, log, zone, onStatus, uploads } = options;
  const reach = new Reach({ allowNetworks: options.allowNetworks });
  const volunteer =
    options.volunteer &&
    new Volunteer({ ...options.volunteer, ca, log, zone, reach, folder: join(folder, "copies") });
  const gateway =
    options.gateway && new Gateway({ ...options.gateway, ca, log, reach, folder: join(folder, "cache") });
  const announcing =
    options.announces ??
    new Announcing({
      leaseFolder: options.port === 0 ? undefined : folder,
      copying: volunteer,
      ...{ trackers, ca, zone, reach, onStatus },
    });
  const copies = options.copies ?? volunteer;
  const stored = uploads && {
    token: uploads.token,
    torrents: new StoredTorrents({ ...uploads, folder: join(folder, "stored"), log }),
  };
  try {
    const serving = await startServing({
      ...options,
      identifyKeys: announcing.identifyKeys,
      stored,
      contentSource: gateway && ((torrents) => gateway.source(torrents)),
    });
    const peer = new Peer(serving, announcing, { stored: stored?.torrents, copies, gateway }, options);
    try {
      await stored?.torrents.start(peer);
      await copies?.start(peer);
      await gateway?.start(peer);
    } catch (error) {
      await peer.close();
      throw error;
    }
    announcing.start({
      host: serving.server.address,
      port: serving.server.port,
      tls: options.tlsCert !== undefined,
      ...(options.publicUrl !== undefined && { publicUrl: options.publicUrl }),
    });
    return peer;
  } catch (error) {
    await announcing.stop();
    throw error;
  }
}

/** The stores that a peer keeps for publishers and for the swarm. */
interface Keeping {
  readonly stored: StoredTorrents | undefined;
  readonly copies: CopyKeeper | undefined;
  readonly gateway: Gateway | undefined;
}

class Peer implements RunningPeer, StoredServing, CopyServing, GatewayServing {
  readonly #serving: Serving;
  readonly #announcing: Announces;
  readonly #keeping: Keeping;
  readonly #scrub: Scrub | undefined;
  readonly #drainMs: number;
  /** By info hash. Revisions start at the wall clock, so that a lease resumed after a restart sees a larger one. */
  readonly #revisions = new Map<string, number>();
  #draining: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(
    serving: Serving,
    announcing: Announces,
    keeping: Keeping,
    { scrub, drainMs = 0, log }: PeerOptions,
  ) {
    this.#serving = serving;
    this.#announcing = announcing;
    this.#keeping = keeping;
    this.#drainMs = drainMs;
    const { copies, gateway } = keeping;
    const { torrents, metrics } = serving;
    if (gateway) metrics.watchCache(() => gateway.space());
    if (copies?.space) metrics.watchCopies(() => copies.space!());
    const onChecked = () => metrics.checked();
    const onRotten = (infoHash: string, index: PieceIndex) => {
      metrics.rotten();
      logRottenPiece(log, infoHash, index);
      this.changed(infoHash);
    };
    this.#scrub = scrub && new Scrub({ ...scrub, torrents, clock: nodeClock, onChecked, onRotten });
    this.#scrub?.start();
  }

  get url(): string {
    return this.#serving.server.url;
  }

  get port(): number {
    return this.#serving.server.port;
  }

  add(torrent: Torrent, store: ServedStore): void {
    this.#serving.torrents.add(torrent, store);
    this.changed(torrent.infoHash);
  }

  storeOf(infoHash: string): ServedStore | undefined {
    return this.#serving.torrents.partOf(infoHash, "own");
  }

  remove(infoHash: string): void {
    this.#remove(infoHash, "own");
  }

  #remove(infoHash: string, part: Part): void {
    this.#serving.torrents.remove(infoHash, part);
    if (this.#serving.torrents.get(infoHash)) this.changed(infoHash);
    else this.#announcing.leave(infoHash);
  }

  changed(infoHash: string): void {
    this.#serving.torrents.changed(infoHash);
    const served = this.#serving.torrents.get(infoHash);
    if (!served) return;
    const revision = Math.max(Date.now(), (this.#revisions.get(infoHash) ?? 0) + 1);
    this.#revisions.set(infoHash, revision);
    const { torrent, store } = served;
    this.#announcing.update({
      infoHash,
      totalPieces: torrent.pieces.length,
      fileName: torrent.fileName,
      revision,
      bitfield: store.held.clone(),
      replicationTarget: torrent.replicationTarget,
      pieceLength: torrent.lengths?.pieceLength,
    });
  }

  addCached(torrent: Torrent, store: ServedStore): void {
    this.#serving.torrents.add(torrent, store, "cached");
    this.changed(torrent.infoHash);
  }

  removeCached(infoHash: string): void {
    this.#remove(infoHash, "cached");
  }

  addCopies(torrent: Torrent, store: ServedStore): void {
    this.#serving.torrents.add(torrent, store, "copies");
    this.changed(torrent.infoHash);
  }

  removeCopies(infoHash: string): void {
    this.#remove(infoHash, "copies");
  }

  isSelf(url: string): boolean {
    return url === this.url || this.#announcing.isOwn(url);
  }

  report(failure: FailureReport): void {
    this.#announcing.report(failure);
  }

  completed(infoHash: string): void {
    this.changed(infoHash);
    this.#announcing.completed(infoHash);
  }

  served(): ReadonlyMap<string, ReadonlyMap<number, PieceCounts>> {
    return new Map([...this.#serving.torrents].map(({ torrent, counts }) => [torrent.infoHash, counts]));
  }

  drain(): Promise<void> {
    this.#draining ??= this.#drain();
    return this.#draining;
  }

  async #drain(): Promise<void> {
    this.#keeping.copies?.leave();
    await atMost(GOODBYE_MS, this.#announcing.drain());
    await atMost(this.#drainMs, this.#announcing.handedOver());
    this.#serving.server.setHealth(false);
    await atMost(DRAIN_MS, this.#serving.uploads.drain());
    await this.#close(SMALL_CALLS_MS);
  }

  close(): Promise<void> {
    return this.#close(0);
  }

  #close(graceMs: number): Promise<void> {
    this.#closing ??= this.#closeAll(graceMs);
    return this.#closing;
  }

  async #closeAll(graceMs: number): Promise<void> {
    await atMost(GOODBYE_MS, this.#announcing.stop());
    await this.#keeping.gateway?.stop();
    await this.#serving.server.close({ graceMs });
    await this.#scrub?.stop();
    await this.#keeping.copies?.stop();
    await this.#keeping.stored?.stop();
  }
}

import type { Clock } from "#core/base/clock.ts";
import type { DownloadSnapshot } from "#core/download/snapshot.ts";
import type { PieceStore } from "#core/ports/store.ts";
import type { FailureReport } from "#core/ports/tracker.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { nodeClock } from "../../base/node-clock.ts";
import type { RunningPeer } from "../peer.ts";
import { checkedStore } from "../stores/checked-store.ts";
import type { ServedStore } from "../stores/served-torrents.ts";
import type { SharedPeer } from "./shared-peer.ts";

/** How often a download that is not served from yet is looked at. */
const LOOK_EVERY_MS = 250;
/** Who is done in so long is done before others have heard of it and asked. */
const SOON_DONE_MS = 2_000;

/**
 * Serves one torrent while it is being downloaded, and when it is there. The server for that takes longer to load than
 * all that a download needs to begin, so the first requests are sent before; and a download that is almost done needs
 * none.
 */
export class DownloadServing {
  /** The peer could not be started: this rejects with why. It never resolves. */
  readonly failed: Promise<never>;
  readonly #shared: Pick<SharedPeer, "start">;
  readonly #torrent: Torrent;
  readonly #store: PieceStore;
  readonly #clock: Clock;
  #peer: RunningPeer | undefined;
  #starting: Promise<RunningPeer | undefined> | undefined;
  #seeding: Promise<unknown> | undefined;
  #closeSeed = () => {};
  #cancelLook = () => {};
  #stopped = false;
  #fail: (error: unknown) => void = () => {};

  constructor(
    shared: Pick<SharedPeer, "start">,
    torrent: Torrent,
    store: PieceStore,
    clock: Clock = nodeClock,
  ) {
    this.#shared = shared;
    this.#clock = clock;
    this.#torrent = torrent;
    this.#store = store;
    this.failed = new Promise((_, reject) => {
      this.#fail = reject;
    });
    this.failed.catch(() => {});
  }

  /** The download has begun. */
  watch(download: { peek(): Pick<DownloadSnapshot, "etaMs"> }): void {
    this.#cancelLook = this.#clock.after(LOOK_EVERY_MS, () => {
      const { etaMs = Number.POSITIVE_INFINITY } = download.peek();
      if (etaMs < SOON_DONE_MS) this.watch(download);
      else this.#start().catch(this.#fail);
    });
  }

  /** A piece more is there. */
  held(): void {
    this.#peer?.changed(this.#torrent.infoHash);
  }

  /** Another peer did wrong: trackers are told, if they know this one. */
  report(failure: FailureReport): void {
    this.#peer?.report(failure);
  }

  /** The download is done, and its files are where they belong: from now on they are served from there. */
  async seed(target: string): Promise<RunningPeer | undefined> {
    this.#cancelLook();
    const seeding = this.#seed(target);
    this.#seeding = seeding.catch(() => {});
    return seeding;
  }

  /** Serves it no more; the peer that others share goes on. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelLook();
    await this.#starting?.catch(() => {});
    await this.#seeding;
    this.#peer?.remove(this.#torrent.infoHash);
    this.#closeSeed();
  }

  #start(): Promise<RunningPeer | undefined> {
    this.#starting ??= this.#shared.start().then((peer) => {
      if (this.#stopped) return undefined;
      this.#peer = peer;
      peer.add(this.#torrent, this.#store);
      return peer;
    });
    return this.#starting;
  }

  async #seed(target: string): Promise<RunningPeer | undefined> {
    const peer = await this.#start();
    if (!peer) return undefined;
    const { infoHash } = this.#torrent;
    if (this.#store.held.complete) peer.completed(infoHash);
    const store = await this.#inPlace(target, () => peer.changed(infoHash));
    if (store) peer.add(this.#torrent, store);
    else peer.remove(infoHash);
    return store && peer;
  }

  /**
   * The files are their owner's now: every piece is hashed before it leaves. Of a folder that was got in part, some
   * pieces lie across files that are in their places and others that never will be, and only the store knows where.
   */
  async #inPlace(path: string, onWithdrawn: () => void): Promise<ServedStore | undefined> {
    const torrent = this.#torrent;
    const { geometry, held } = this.#store;
    if (!held.complete) return checkedStore(torrent, this.#store, onWithdrawn);
    const { openSeed } = await import("../stores/in-place-store.ts");
    // Whatever goes wrong here (the file is gone already) costs only what others would have been given.
    const seed = await openSeed({ torrent, geometry, path, onWithdrawn }).catch(() => undefined);
    if (seed) this.#closeSeed = () => seed.close();
    return seed;
  }
}

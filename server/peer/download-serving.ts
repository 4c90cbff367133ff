import type { PieceStore } from "#core/store.ts";
import type { Torrent } from "#core/torrent.ts";
import { checkedStore } from "./checked-store.ts";
import type { RunningPeer } from "./peer.ts";
import type { ServedStore } from "./served-torrents.ts";
import type { SharedPeer } from "./shared-peer.ts";

/**
 * Serves one torrent while it is being downloaded, and when it is there. The server is not even loaded before there is
 * a piece to serve, which is when the first requests are on their way.
 */
export class DownloadServing {
  /** The peer could not be started: this rejects with why. It never resolves. */
  readonly failed: Promise<never>;
  readonly #shared: SharedPeer;
  readonly #torrent: Torrent;
  readonly #store: PieceStore;
  #peer: RunningPeer | undefined;
  #starting: Promise<RunningPeer | undefined> | undefined;
  #seeding: Promise<unknown> | undefined;
  #closeSeed = () => {};
  #stopped = false;
  #fail: (error: unknown) => void = () => {};

  constructor(shared: SharedPeer, torrent: Torrent, store: PieceStore) {
    this.#shared = shared;
    this.#torrent = torrent;
    this.#store = store;
    this.failed = new Promise((_, reject) => {
      this.#fail = reject;
    });
    this.failed.catch(() => {});
  }

  /** There are pieces to serve. The last one of a download that nobody was served from needs no server. */
  held(): void {
    if (this.#peer) this.#peer.changed(this.#torrent.infoHash);
    else if (!this.#store.held.complete) this.#start().catch(this.#fail);
  }

  /** The download is done, and its files are where they belong: from now on they are served from there. */
  async seed(target: string): Promise<RunningPeer | undefined> {
    const seeding = this.#seed(target);
    this.#seeding = seeding.catch(() => {});
    return seeding;
  }

  /** Serves it no more; the peer that others share goes on. */
  async stop(): Promise<void> {
    this.#stopped = true;
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
    const { openSeed } = await import("./seed-store.ts");
    // Whatever goes wrong here (the file is gone already) costs only what others would have been given.
    const seed = await openSeed({ torrent, geometry, path, onWithdrawn }).catch(() => undefined);
    if (seed) this.#closeSeed = () => seed.close();
    return seed;
  }
}

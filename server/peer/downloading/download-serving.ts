import type { Clock } from "#core/base/clock.ts";
import type { DownloadSnapshot } from "#core/download/snapshot.ts";
import type { FailureReport } from "#core/ports/tracker.ts";
import type { PieceIndex } from "#core/torrent/piece.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { nodeClock } from "../../base/node-clock.ts";
import type { RunningPeer } from "../peer.ts";
import { type ChangingStore, CheckedStore } from "../stores/checked-store.ts";
import type { ServedStore } from "../stores/served-torrents.ts";
import type { SharedPeer } from "./shared-peer.ts";

/** Interval between checks whether a download should be served yet. */
const LOOK_EVERY_MS = 250;
/** A download that ends within this time ends before other peers have heard of it and asked. */
const SOON_DONE_MS = 2_000;

/**
 * Serves a torrent during and after its download. The serving code takes longer to load than a download needs to
 * begin, so the first requests are sent before it is loaded, and a download that is almost done does not load it.
 */
export class DownloadServing {
  readonly #failed = Promise.withResolvers<never>();
  readonly #shared: Pick<SharedPeer, "start">;
  readonly #torrent: Torrent;
  readonly #store: ChangingStore;
  /** Whether the target has only some files of a folder. */
  readonly #isPartial: boolean;
  readonly #clock: Clock;
  #peer: RunningPeer | undefined;
  /** The download as others get it, once the peer has been started. */
  #checked: CheckedStore | undefined;
  #starting: Promise<RunningPeer | undefined> | undefined;
  #seeding: Promise<unknown> | undefined;
  #closeFiles = () => {};
  #cancelLook = () => {};
  #stopped = false;

  constructor(
    shared: Pick<SharedPeer, "start">,
    torrent: Torrent,
    store: ChangingStore,
    { isPartial = false, clock = nodeClock }: { isPartial?: boolean; clock?: Clock } = {},
  ) {
    this.#shared = shared;
    this.#isPartial = isPartial;
    this.#clock = clock;
    this.#torrent = torrent;
    this.#store = store;
    this.failed.catch(() => {});
  }

  /** Rejects with the error if the peer cannot be started. Never resolves. */
  get failed(): Promise<never> {
    return this.#failed.promise;
  }

  /** Call when the download has begun. */
  watch(download: { peek(): Pick<DownloadSnapshot, "etaMs"> }): void {
    this.#cancelLook = this.#clock.after(LOOK_EVERY_MS, () => {
      const { etaMs = Number.POSITIVE_INFINITY } = download.peek();
      if (etaMs < SOON_DONE_MS) this.watch(download);
      else this.#start().catch(this.#failed.reject);
    });
  }

  /** Call when a piece became held. */
  held(index: PieceIndex): void {
    this.#checked?.held.set(index);
    this.#peer?.changed(this.#torrent.infoHash);
  }

  /** Reports another peer's failure to the trackers, if this peer has been started. */
  report(failure: FailureReport): void {
    this.#peer?.report(failure);
  }

  /** Serves the finished files from `target`. Undefined if they cannot be opened. */
  async seed(target: string): Promise<RunningPeer | undefined> {
    this.#cancelLook();
    const seeding = this.#seed(target);
    this.#seeding = seeding.catch(() => {});
    return seeding;
  }

  /** Stops serving this torrent; the shared peer continues. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelLook();
    await this.#starting?.catch(() => {});
    await this.#seeding;
    this.#peer?.remove(this.#torrent.infoHash);
    this.#closeFiles();
  }

  #start(): Promise<RunningPeer | undefined> {
    this.#starting ??= this.#shared.start().then((peer) => {
      if (this.#stopped) return undefined;
      this.#peer = peer;
      const changed = () => peer.changed(this.#torrent.infoHash);
      this.#checked = new CheckedStore(this.#torrent, this.#store, changed);
      peer.add(this.#torrent, this.#checked);
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
   * The owner may change the finished files, so every piece is hashed before it is sent. Of a partly downloaded
   * folder, some pieces lie partly in working files, which only the download's store can read.
   */
  async #inPlace(path: string, onWithdrawn: () => void): Promise<ServedStore | undefined> {
    const torrent = this.#torrent;
    const { geometry, held } = this.#store;
    if (this.#isPartial || !held.complete) return this.#checked;
    const { openInPlaceStore } = await import("../stores/in-place-store.ts");
    // Any failure here, such as a file that was deleted already, only ends the serving.
    const store = await openInPlaceStore({ torrent, geometry, path, onWithdrawn }).catch(() => undefined);
    if (store) this.#closeFiles = () => store.close();
    return store;
  }
}

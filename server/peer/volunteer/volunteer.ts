import { join } from "node:path";
import type { CopiesNews } from "#core/announce/announcer.ts";
import type { Bitfield } from "#core/base/bitfield.ts";
import { messageOf, PiezaError, StoreFailed } from "#core/base/errors.ts";
import { RateLimit } from "#core/base/rate-limit.ts";
import type { Download } from "#core/download/download.ts";
import type { Catalog } from "#core/ports/catalog.ts";
import type { Announced, DeclineReason, Tracker } from "#core/ports/tracker.ts";
import { rangesOf, wordsOf } from "#core/replication/words.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { nodeClock } from "../../base/node-clock.ts";
import type { Log } from "../../http/base/log.ts";
import type { Reach } from "../../http/client/reach.ts";
import type { AnnouncingOptions, Copying } from "../announcing/announcing.ts";
import type { CopyKeeper, CopyServing, CopySpace } from "../announcing/copy-keeper.ts";
import type { StoredTorrent } from "../serving/stored-torrent.ts";
import { type Evictable, Eviction } from "./eviction.ts";
import { Promised } from "./promised.ts";
import { startCopy } from "./volunteer-copy.ts";
import { VolunteerFolder } from "./volunteer-folder.ts";
import { type KeptOrder, VolunteerOrders } from "./volunteer-orders.ts";
import { orderedSources } from "./volunteer-sources.ts";
import { VolunteerTorrents } from "./volunteer-torrents.ts";

/** The space and rate that a peer's operator lends to the swarm. */
export interface VolunteerRules {
  /** Asked for every torrent that is ordered. Torrents that they do not know are not copied. */
  readonly catalogs: readonly Catalog[];
  /** Bytes of all copies together. */
  readonly capacityBytes: number;
  /** Limit on the rate of copying. Default: none. */
  readonly bytesPerSecond?: number | undefined;
}

export interface VolunteerOptions extends VolunteerRules, Pick<AnnouncingOptions, "ca" | "zone"> {
  /** Path, created if missing. */
  readonly folder: string;
  readonly log?: Log | undefined;
  /** Which of the peers that trackers name may be dialled. */
  readonly reach: Reach;
}

/** Torrents copied at once. */
const MAX_COPIES = 4;
/** Time without new orders after the disk was full or failed. */
const FULL_MS = 60_000;
/** Ranges of one torrent in an announce. */
const MAX_RANGES = 4_096;
/** Interval of attempts to find a known torrent that no catalog or peer provides. */
const FIND_AGAIN_MS = 5_000;

/**
 * Carries out trackers' orders: copies pieces, keeps and serves them, and drops them when the trackers agree.
 *
 * Invariant: held pieces and the pieces that accepted orders still lack never take more than `capacityBytes`
 * together. Every event ends in `#decide`, which derives everything but the search for torrents from the orders.
 */
export class Volunteer implements Copying, CopyKeeper {
  readonly #options: VolunteerOptions;
  readonly #folder: VolunteerFolder;
  readonly #torrents: VolunteerTorrents;
  readonly #orders = new VolunteerOrders();
  readonly #eviction: Eviction;
  readonly #limit: RateLimit | undefined;
  readonly #copies = new Map<string, Download>();
  /** By info hash: stores that are being opened again after their disk failed. */
  readonly #reopening = new Map<string, Promise<void>>();
  readonly #stop = new AbortController();
  /** Copies that are ending and torrents that are being found. Never rejects. */
  #work = Promise.resolve();
  #serving: CopyServing | undefined;
  #finding = false;
  #fullUntilMs = -Infinity;
  /** By info hash of a known torrent that nobody provides: time before which it is not searched for again. */
  readonly #findAgainMs = new Map<string, number>();
  #copiedBytes = 0;
  readonly #known = {
    geometryOf: (infoHash: string) => this.#folder.get(infoHash)?.store.geometry,
    heldOf: (infoHash: string): Bitfield[] =>
      [this.#folder.get(infoHash)?.store.held, this.#serving?.storeOf(infoHash)?.held].filter(
        (held) => held !== undefined,
      ),
  };
  #cancelTimer = () => {};

  constructor(options: VolunteerOptions) {
    const { folder, capacityBytes, bytesPerSecond, log, catalogs, ca, reach } = options;
    this.#options = options;
    this.#folder = new VolunteerFolder({ folder, capacityBytes, log });
    this.#torrents = new VolunteerTorrents({ catalogs, ca, reach, file: join(folder, "known.json") });
    this.#eviction = new Eviction(capacityBytes);
    this.#limit = bytesPerSecond === undefined ? undefined : new RateLimit(bytesPerSecond, nodeClock);
  }

  /** Serves the copies of earlier runs. */
  async start(serving: CopyServing): Promise<void> {
    this.#serving = serving;
    await this.#torrents.load();
    for (const stored of await this.#folder.open()) this.#serve(stored);
  }

  /** Takes no more orders; the copies are still served. */
  leave(): void {
    this.#cancelTimer();
    this.#stop.abort(new Error("the peer leaves"));
    for (const infoHash of [...this.#copies.keys()]) this.#end(infoHash);
  }

  /** Closes everything; the copies stay for the next run. */
  async stop(): Promise<void> {
    this.leave();
    await this.#work;
    await this.#folder.close();
  }

  space(): CopySpace {
    const freeBytes = this.#folder.freeBytes(this.#promised(nodeClock.now()).bytes);
    const { capacityBytes } = this.#options;
    return { capacityBytes, usedBytes: this.#folder.usedBytes, freeBytes, copiedBytes: this.#copiedBytes };
  }

  say(trackerUrl: string): CopiesNews {
    if (this.#stop.signal.aborted) return {};
    const { capacityBytes, bytesPerSecond = 0 } = this.#options;
    const now = nodeClock.now();
    const full = now < this.#fullUntilMs;
    const freeBytes = full ? 0 : this.#folder.freeBytes(this.#promised(now).bytes);
    const volunteer = { capacityBytes, freeBytes, bytesPerSecond };
    if (!this.#orders.heardOf(trackerUrl)) return { volunteer };
    const drops = this.#eviction.ask(trackerUrl, this.#folder.usedBytes, this.#evictable(now), now);
    return { volunteer, declined: this.#orders.declined(trackerUrl), drops };
  }

  hear(tracker: Tracker, { grants = [], orders = [] }: Announced): void {
    if (this.#stop.signal.aborted) return;
    const now = nodeClock.now();
    const { dropped, kept } = this.#eviction.heard(tracker.url, grants, now);
    for (const infoHash of dropped) this.#drop(infoHash);
    for (const infoHash of kept) this.#serving?.changed(infoHash);
    this.#orders.hear(tracker, orders, now);
    this.#decide();
  }

  /** Applies the current orders. */
  #decide(): void {
    if (this.#stop.signal.aborted || !this.#serving) return;
    const now = nodeClock.now();
    const promised = this.#promised(now);
    const roomBytes = this.#folder.freeBytes(0);
    for (const order of this.#orders.open(now)) {
      const stored = this.#folder.get(order.infoHash);
      if (now < this.#fullUntilMs) this.#decline(order, "no-space");
      else if (stored) this.#judge(order, stored.torrent, promised, roomBytes);
    }
    if (this.#sought(now)) void this.#find();
    for (const { torrent, heldBytes } of [...this.#folder]) {
      const { infoHash } = torrent;
      // An order that was declined or withdrawn before its first piece leaves an empty folder.
      if (heldBytes === 0 && !promised.has(infoHash)) this.#drop(infoHash);
    }
    for (const infoHash of new Set([...this.#copies.keys(), ...promised.infoHashes()]))
      this.#copy(infoHash, promised);
    this.#cancelTimer();
    const nextMs = Math.min(this.#orders.nextEndMs(now), ...this.#againMs(now));
    if (nextMs < Infinity) this.#cancelTimer = nodeClock.after(nextMs - now + 1, () => this.#decide());
  }

  /** An open order whose torrent is to be searched for now. */
  #sought(now: number): KeptOrder | undefined {
    return this.#orders
      .open(now)
      .find(({ infoHash }) => !this.#folder.get(infoHash) && (this.#findAgainMs.get(infoHash) ?? 0) <= now);
  }

  /** When torrents of open orders are to be searched for again. */
  #againMs(now: number): number[] {
    const times = this.#orders.open(now).map(({ infoHash }) => this.#findAgainMs.get(infoHash) ?? 0);
    return times.filter((atMs) => atMs > now);
  }

  #judge(order: KeptOrder, torrent: Torrent, promised: Promised, roomBytes: number): void {
    const refusal = refusalOf(order, torrent);
    if (refusal) {
      this.#decline(order, refusal);
      return;
    }
    if (promised.bytesOf(order) > Math.max(0, roomBytes - promised.bytes)) {
      this.#decline(order, "no-space");
      return;
    }
    this.#orders.accept(order);
    promised.add(order);
  }

  #decline(order: KeptOrder, reason: DeclineReason): void {
    this.#orders.decline(order, reason);
    const { id, infoHash } = order;
    const message = `an order for ${infoHash} is declined: ${reason}`;
    this.#options.log?.({ level: "info", event: "order_declined", message, info_hash: infoHash, id, reason });
  }

  /** Finds the torrents of open orders, one after the other. */
  async #find(): Promise<void> {
    if (this.#finding) return;
    this.#finding = true;
    const finding = this.#findAll().finally(() => {
      this.#finding = false;
    });
    this.#after(finding);
    await finding;
    this.#decide();
  }

  async #findAll(): Promise<void> {
    for (;;) {
      const order = this.#sought(nodeClock.now());
      if (!order || this.#stop.signal.aborted) return;
      await this.#begin(order).catch((error: unknown) => this.#notBegun(order, error));
    }
  }

  async #begin(order: KeptOrder): Promise<void> {
    const { infoHash, sources } = order;
    this.#findAgainMs.set(infoHash, nodeClock.now() + FIND_AGAIN_MS);
    await this.#options.reach.named(order.tracker.url, sources);
    const torrent = await this.#torrents.find(infoHash, sources, this.#stop.signal);
    const refusal = refusalOf(order, torrent);
    if (refusal) this.#decline(order, refusal);
    else this.#serve(await this.#folder.begin(torrent));
    this.#findAgainMs.delete(infoHash);
  }

  #notBegun(order: KeptOrder, error: unknown): void {
    if (this.#stop.signal.aborted) return;
    const code = error instanceof PiezaError ? error.code : "internal";
    if (code === "unavailable") return;
    this.#findAgainMs.delete(order.infoHash);
    if (error instanceof StoreFailed) this.#diskFailed(error);
    const noRoom = error instanceof StoreFailed || code === "resource_exhausted";
    // All orders of the torrent at once, so that catalogs are asked once for all of them.
    for (const open of this.#orders.open(nodeClock.now()))
      if (open.infoHash === order.infoHash) this.#decline(open, noRoom ? "no-space" : "unknown-torrent");
  }

  /** Starts, changes or ends the copy of one torrent as its orders require. */
  #copy(infoHash: string, promised: Promised): void {
    const lacking = promised.lacking(infoHash);
    const copy = this.#copies.get(infoHash);
    const stored = this.#folder.get(infoHash);
    if (!lacking || !stored) this.#end(infoHash);
    else if (copy) copy.want(lacking);
    else if (lacking.count > 0 && this.#copies.size < MAX_COPIES) this.#beginCopy(stored, lacking);
  }

  #beginCopy({ torrent, store }: StoredTorrent, wanted: Bitfield): void {
    const { infoHash } = torrent;
    const orders = () => this.#orders.acceptedOf(infoHash, nodeClock.now());
    const copy = startCopy(
      {
        torrent,
        store,
        sources: orderedSources(orders, this.#options.zone, this.#options.reach),
        limit: this.#limit,
        ca: this.#options.ca,
        reach: this.#options.reach,
        isSelf: (url) => this.#serving!.isSelf(url),
        onHeld: (index) => {
          this.#copiedBytes += store.geometry.lengthOf(index);
          this.#serving!.changed(infoHash);
        },
        onEnded: (failure) => this.#ended(infoHash, copy, failure),
      },
      wanted,
    );
    this.#copies.set(infoHash, copy);
  }

  #ended(infoHash: string, copy: Download, failure: unknown): void {
    if (this.#copies.get(infoHash) !== copy) return;
    this.#end(infoHash);
    if (failure !== undefined) {
      this.#diskFailed(failure);
      for (const order of this.#orders.acceptedOf(infoHash, nodeClock.now()))
        this.#decline(order, "no-space");
      const reopened = this.#reopen(infoHash).finally(() => this.#reopening.delete(infoHash));
      this.#reopening.set(infoHash, reopened);
      this.#after(reopened);
    }
    this.#decide();
  }

  /** Opens a store again after its disk has failed, to find out what is on the disk. */
  async #reopen(infoHash: string): Promise<void> {
    await this.#work;
    const stored = await this.#folder.reopen(infoHash);
    if (stored) this.#serve(stored);
    else this.#serving?.removeCopies(infoHash);
  }

  #end(infoHash: string): void {
    const copy = this.#copies.get(infoHash);
    this.#copies.delete(infoHash);
    if (copy) this.#after(copy.stop());
  }

  #drop(infoHash: string): void {
    this.#end(infoHash);
    this.#serving?.removeCopies(infoHash);
    this.#folder.drop(infoHash);
    const message = `the copy of ${infoHash} was dropped`;
    this.#options.log?.({ level: "info", event: "copy_dropped", message, info_hash: infoHash });
  }

  #diskFailed(error: unknown): void {
    this.#fullUntilMs = nodeClock.now() + FULL_MS;
    const message = `copies are paused: ${messageOf(error)}`;
    this.#options.log?.({ level: "warn", event: "copies_paused", message });
  }

  #serve(stored: StoredTorrent): void {
    const { torrent, store } = stored;
    this.#serving!.addCopies(torrent, {
      geometry: store.geometry,
      held: store.held,
      check: (index) => store.check(index),
      read: async (index, into) => {
        this.#folder.touch(stored);
        await this.#reopening.get(torrent.infoHash);
        return (this.#folder.get(torrent.infoHash) ?? stored).store.read(index, into);
      },
    });
  }

  #promised(now: number): Promised {
    return new Promised(this.#known, this.#orders.accepted(now));
  }

  /** Torrents without orders, least recently used first. */
  *#evictable(now: number): Generator<Evictable> {
    const ordered = new Set(this.#orders.accepted(now).map(({ infoHash }) => infoHash));
    const byAge = [...this.#folder].sort((a, b) => a.touchedMs - b.touchedMs);
    for (const { torrent, store, heldBytes } of byAge) {
      const { infoHash } = torrent;
      if (heldBytes === 0 || ordered.has(infoHash)) continue;
      const ranges = rangesOf(wordsOf(store.held));
      // Ranges that do not fit an announce cannot be asked for, and dropping only some frees no space.
      if (ranges.length > MAX_RANGES) continue;
      yield { infoHash, totalPieces: store.held.size, ranges, bytes: heldBytes };
    }
  }

  #after(work: Promise<void>): void {
    this.#work = Promise.all([this.#work, work.catch(() => {})]).then(() => {});
  }
}

/** Why an order for this torrent is declined whatever the space; undefined if it is not. */
function refusalOf({ totalPieces }: KeptOrder, torrent: Torrent): DeclineReason | undefined {
  if (torrent.pieces.length !== totalPieces) return "unknown-torrent";
  // Without lengths the space it would take is unknown.
  return torrent.replicationTarget === 0 || !torrent.lengths ? "not-wanted" : undefined;
}

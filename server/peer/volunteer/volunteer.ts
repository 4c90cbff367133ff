import { join } from "node:path";
import type { CopiesNews } from "#core/announce/announcer.ts";
import { Bitfield } from "#core/base/bitfield.ts";
import { messageOf, PiezaError, StoreFailed } from "#core/base/errors.ts";
import { RateLimit } from "#core/base/rate-limit.ts";
import type { Download } from "#core/download/download.ts";
import type { Catalog } from "#core/ports/catalog.ts";
import type { Announced, DeclineReason, PieceRange, Tracker } from "#core/ports/tracker.ts";
import { rangesOf, wordsOf } from "#core/replication/words.ts";
import { geometryOf, type Torrent } from "#core/torrent/torrent.ts";
import { nodeClock } from "../../base/node-clock.ts";
import type { Log } from "../../http/base/log.ts";
import type { Reach } from "../../http/client/reach.ts";
import type { AnnouncingOptions, Copying } from "../announcing/announcing.ts";
import type { CopyKeeper, CopyServing, CopySpace } from "../announcing/copy-keeper.ts";
import type { StoredTorrent } from "../serving/stored-torrent.ts";
import { type Evictable, Eviction } from "./eviction.ts";
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
  /** By info hash: time before which the torrent is not searched for again. */
  readonly #findAgainMs = new Map<string, number>();
  #copiedBytes = 0;
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
    const freeBytes = this.#freeBytes(nodeClock.now());
    const { capacityBytes } = this.#options;
    return { capacityBytes, usedBytes: this.#folder.usedBytes, freeBytes, copiedBytes: this.#copiedBytes };
  }

  say(trackerId: string): CopiesNews {
    if (this.#stop.signal.aborted) return {};
    const { capacityBytes, bytesPerSecond = 0 } = this.#options;
    const now = nodeClock.now();
    const freeBytes = now < this.#fullUntilMs ? 0 : this.#freeBytes(now);
    const volunteer = { capacityBytes, freeBytes, bytesPerSecond };
    if (trackerId === "") return { volunteer };
    const drops = this.#eviction.ask(trackerId, this.#folder.usedBytes, this.#evictable(now), now);
    return { volunteer, declined: this.#orders.declined(trackerId), drops };
  }

  hear(tracker: Tracker, { trackerId, grants = [], orders = [] }: Announced): void {
    if (this.#stop.signal.aborted) return;
    const now = nodeClock.now();
    const { dropped, kept } = this.#eviction.heard(trackerId, grants, now);
    for (const infoHash of dropped) this.#drop(infoHash);
    for (const infoHash of kept) this.#serving?.changed(infoHash);
    this.#orders.hear(trackerId, tracker, orders, now);
    this.#decide();
  }

  /** Applies the current orders. */
  #decide(): void {
    if (this.#stop.signal.aborted || !this.#serving) return;
    const now = nodeClock.now();
    for (const order of this.#orders.open(now)) {
      const stored = this.#folder.get(order.infoHash);
      if (now < this.#fullUntilMs) this.#decline(order, "no-space");
      else if (stored) this.#judge(order, stored.torrent, now);
      else void this.#find();
    }
    for (const { torrent, heldBytes } of [...this.#folder]) {
      const { infoHash } = torrent;
      // An order that was declined or withdrawn before its first piece leaves an empty folder.
      if (heldBytes === 0 && !this.#lacking(infoHash, now)) this.#drop(infoHash);
    }
    for (const infoHash of [...this.#copies.keys()]) this.#copy(infoHash, now);
    for (const { infoHash } of this.#orders.accepted(now)) this.#copy(infoHash, now);
    this.#cancelTimer();
    const endsMs = this.#orders.nextEndMs(now);
    if (endsMs < Infinity) this.#cancelTimer = nodeClock.after(endsMs - now + 1, () => this.#decide());
  }

  #judge(order: KeptOrder, torrent: Torrent, now: number): void {
    const refusal = refusalOf(order, torrent);
    if (refusal) {
      this.#decline(order, refusal);
      return;
    }
    const missing = Bitfield.of(order.totalPieces, indicesIn(order.ranges));
    for (const index of this.#heldOf(order.infoHash)) missing.clear(index);
    for (const index of this.#lacking(order.infoHash, now) ?? []) missing.clear(index);
    const neededBytes = geometryOf(torrent)!.bytesOf(missing);
    if (neededBytes > this.#freeBytes(now)) this.#decline(order, "no-space");
    else this.#orders.accept(order);
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
      const now = nodeClock.now();
      const isDue = ({ infoHash }: KeptOrder) => (this.#findAgainMs.get(infoHash) ?? -Infinity) <= now;
      const order = this.#orders.open(now).find((open) => !this.#folder.get(open.infoHash) && isDue(open));
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
    if (error instanceof StoreFailed) this.#diskFailed(error);
    const noRoom = error instanceof StoreFailed || code === "resource_exhausted";
    this.#decline(order, noRoom ? "no-space" : "unknown-torrent");
  }

  /** Starts, changes or ends the copy of one torrent as its orders require. */
  #copy(infoHash: string, now: number): void {
    const lacking = this.#lacking(infoHash, now);
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

  /** The pieces that the torrent's accepted orders name and this peer lacks; undefined without such orders. */
  #lacking(infoHash: string, now: number): Bitfield | undefined {
    const orders = this.#orders.acceptedOf(infoHash, now);
    if (orders.length === 0) return undefined;
    const lacking = new Bitfield(orders[0]!.totalPieces);
    for (const { ranges } of orders) for (const index of indicesIn(ranges)) lacking.set(index);
    for (const index of this.#heldOf(infoHash)) lacking.clear(index);
    return lacking;
  }

  /** All pieces of the torrent that this peer holds, copied or not. */
  *#heldOf(infoHash: string): Generator<number> {
    yield* this.#folder.get(infoHash)?.store.held ?? [];
    yield* this.#serving?.storeOf(infoHash)?.held ?? [];
  }

  #freeBytes(now: number): number {
    let promisedBytes = 0;
    for (const infoHash of new Set(this.#orders.accepted(now).map((order) => order.infoHash))) {
      const lacking = this.#lacking(infoHash, now)!;
      promisedBytes += this.#folder.get(infoHash)?.store.geometry.bytesOf(lacking) ?? 0;
    }
    return this.#folder.freeBytes(promisedBytes);
  }

  /** Torrents without orders, least recently used first. */
  *#evictable(now: number): Generator<Evictable> {
    const byAge = [...this.#folder].sort((a, b) => a.touchedMs - b.touchedMs);
    for (const { torrent, store, heldBytes } of byAge) {
      const { infoHash } = torrent;
      if (heldBytes === 0 || this.#orders.acceptedOf(infoHash, now).length > 0) continue;
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

function* indicesIn(ranges: readonly PieceRange[]): Generator<number> {
  for (const { first, last } of ranges) for (let index = first; index <= last; index++) yield index;
}

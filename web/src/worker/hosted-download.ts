import { Bitfield } from "#core/base/bitfield.ts";
import { InvalidField, messageOf, PiezaError, troubleOf } from "#core/base/errors.ts";
import { Download } from "#core/download/download.ts";
import type { DownloadInput } from "#core/download/download-input.ts";
import { putLearned } from "#core/download/learned-pieces.ts";
import { torrentSummary } from "#core/ports/torrent-summary.ts";
import type { PieceGeometry } from "#core/torrent/piece.ts";
import { piecesOfFiles } from "#core/torrent/selection.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import type { ContentAsk, ContentReply } from "../base/content-messages.ts";
import type { EarlierRun, Stage } from "../base/messages.ts";
import { browserClock } from "./browser-clock.ts";
import { contentReply } from "./content-reply.ts";
import { ContentReaders } from "./content-stream.ts";
import { placedFiles } from "./exported.ts";
import { findGeometry } from "./geometry.ts";
import type { HostPorts } from "./host-ports.ts";
import { KeptDownload } from "./kept-downloads.ts";
import { KeptTimeline } from "./kept-timeline.ts";
import { type OpenStore, openStore } from "./open-store.ts";
import { type Release, tryLock, waitForLock } from "./storage/tab-lock.ts";
import type { ZipFile } from "./storage/zip.ts";
import { maxInFlightPerPeer } from "./transport.ts";

/** At 100 ms between snapshots, drawing one download at full rate took a tenth of a core. */
const SNAPSHOT_MS = 200;

/** Exists while the stage is "open". */
interface Running {
  readonly store: OpenStore;
  readonly download: Download;
  readonly timeline: KeptTimeline;
  readonly unsubscribe: () => void;
  /** The readers of the content and the pieces that they are at. */
  readonly readers: ContentReaders;
}

export interface HostedDownloadInput {
  readonly torrent: Torrent;
  readonly name: string;
  readonly ports: HostPorts;
  /** Indexes of the wanted files of a folder; undefined for all. */
  readonly selected?: readonly number[] | undefined;
  /** It is in the storage already: how it was left there counts, and `selected` does not. */
  readonly kept: boolean;
  /** Called when another tab has removed it while this tab waited for its lock. */
  readonly onGone: () => void;
}

interface ToRun extends Pick<DownloadInput, "trackers" | "learned"> {
  readonly store: OpenStore;
}

/**
 * Runs one download: takes its lock, opens the store, runs the engine and reports to the page.
 *
 * Invariant: `#running` is set exactly while the stage is "open", and this tab has the lock then.
 */
export class HostedDownload {
  readonly torrent: Torrent;
  readonly name: string;
  readonly #ports: HostPorts;
  readonly #onGone: () => void;
  readonly #abort = new AbortController();
  #stage: Stage = { kind: "opening" };
  #handedOver = false;
  /** The person paused it. Pausing also counts while it is being opened: the next run then begins paused. */
  #paused = false;
  #selected: readonly number[] | undefined;
  /** The runs before this one; undefined before they were read. */
  #earlier: readonly EarlierRun[] | undefined;
  #release: Release | undefined;
  #running: Running | undefined;
  /** Without storage, the pieces are here and stay through stops and starts. */
  #inMemory: OpenStore | undefined;
  /** The folder of this download in the storage, if there is storage. Written only with the lock. */
  #kept: KeptDownload | undefined;
  /** The storage had this download before this tab had its lock. So the folder tells how it was left, or that it was removed. */
  #keptBefore: boolean;
  /** The last of the steps (open, close, remove), which run one after the other. Never rejects. */
  #steps: Promise<void> = Promise.resolve();

  constructor({ torrent, name, ports, selected, kept, onGone }: HostedDownloadInput) {
    this.torrent = torrent;
    this.name = name;
    this.#selected = checkedSelection(torrent, selected);
    this.#ports = ports;
    this.#keptBefore = kept;
    this.#onGone = onGone;
  }

  /** Opens the download and starts it, unless it was left paused. Resolves when its stage is known. */
  open(): Promise<void> {
    this.#tell();
    return this.#step(() => this.#open());
  }

  async pause(): Promise<void> {
    this.#paused = true;
    this.#running?.download.pause();
    await this.#kept?.setMark("paused", true);
  }

  /**
   * The network is back: peers that could not be reached are asked again at once, and a broken download is opened
   * again.
   */
  wake(): void {
    this.#running?.download.wake();
    if (this.#stage.kind === "broken") void this.#step(() => this.#open());
  }

  /** Continues after a pause. After a failure, starts again with the pieces that are held. */
  async resume(): Promise<void> {
    this.#paused = false;
    await this.#kept?.setMark("paused", false);
    if (this.#running?.download.peek().state === "paused") return this.#running.download.resume();
    await this.#step(() => this.#reopen());
  }

  /** Ends the download and deletes what is stored. */
  async remove(): Promise<void> {
    this.#abort.abort(new Error("removed"));
    await this.#step(async () => {
      await this.#close();
      await this.#kept?.remove();
      this.#release?.();
      this.#release = undefined;
    });
    this.#ports.post({ type: "removed", infoHash: this.torrent.infoHash });
  }

  /** Selects the files of a folder, at least one; undefined for all. */
  async select(selected: readonly number[] | undefined): Promise<void> {
    const chosen = checkedSelection(this.torrent, selected);
    await this.#step(async () => {
      this.#selected = chosen;
      await this.#kept?.setSelected(this.#selected);
      // What was saved before is not what is chosen now.
      await this.#setHandedOver(false);
      if (this.#wantNow()) this.#tell();
      else await this.#reopen();
    });
  }

  /**
   * The finished file to save; of a folder, the file with this index. Fails with failed_precondition before the download
   * is complete.
   */
  async file(index = 0): Promise<{ blob: Blob; name: string }> {
    const { torrent } = this;
    const store = this.#completeStore();
    if (!torrent.files)
      return { blob: await store.blob(0, store.pieces.geometry.length), name: torrent.fileName };
    const [placed] = placedFiles(torrent, [index]);
    if (!placed || this.#selected?.includes(index) === false)
      throw new PiezaError("not_found", "no such file here");
    return { blob: await store.blob(placed.start, placed.end), name: placed.path.split("/").at(-1)! };
  }

  /** The finished files of a folder as Blobs backed by the store. Read one by one, because there may be many. */
  async files(): Promise<ZipFile[]> {
    const store = this.#completeStore();
    const files: ZipFile[] = [];
    for (const { path, start, end } of placedFiles(this.torrent, this.#selected)) {
      files.push({ path, blob: await store.blob(start, end) });
    }
    return files;
  }

  /**
   * The browser was given the file to save, and does not tell whether it did. So the copy kept here stays until the
   * person removes it.
   */
  async handOver(): Promise<void> {
    await this.#setHandedOver(true);
    this.#tell();
  }

  /** Answers a request for a content URL of this torrent. Undefined if it does not run here or has no such file. */
  content(names: readonly string[], ask: ContentAsk): ContentReply | undefined {
    const running = this.#running;
    return running && contentReply(this.torrent, names, ask, running);
  }

  async #setHandedOver(handedOver: boolean): Promise<void> {
    this.#handedOver = handedOver;
    await this.#kept?.setMark("handed-over", handedOver);
  }

  #completeStore(): OpenStore {
    if (this.#running?.download.peek().state !== "complete") {
      throw new PiezaError("failed_precondition", "the download is not complete");
    }
    return this.#running.store;
  }

  /**
   * Gives the selection to the running download. False if none is running or if it has to be opened again for that.
   */
  #wantNow(): boolean {
    const { geometry } = this.#running?.store.pieces ?? {};
    if (!geometry || !this.#running) return false;
    try {
      this.#running.store.want(this.#wanted(geometry));
    } catch {
      return false;
    }
    return this.#running.download.want(this.#wanted(geometry) ?? Bitfield.full(geometry.count));
  }

  #wanted(geometry: PieceGeometry): Bitfield | undefined {
    const { files } = this.torrent;
    return files && this.#selected && piecesOfFiles(files, this.#selected, geometry);
  }

  #step(action: () => Promise<void>): Promise<void> {
    const step = this.#steps.then(action);
    this.#steps = step.catch((error: unknown) => {
      if (!this.#abort.signal.aborted) this.#becomeBroken(error);
    });
    return this.#steps;
  }

  async #reopen(): Promise<void> {
    await this.#close();
    await this.#open();
  }

  async #open(): Promise<void> {
    this.#abort.signal.throwIfAborted();
    this.#become({ kind: "opening" });
    await this.#takeLock();
    const { torrent } = this;
    const { hasher, storage } = this.#ports;
    if (storage.kind === "disk" && !(await this.#openKept())) return this.#vanish();
    const kept = this.#kept;
    this.#earlier ??= await kept?.timeline();
    const learning = (reason: string, located: boolean) =>
      this.#become({ kind: "learning", reason, trouble: located ? "no_lengths" : "no_tracker" });
    const known = await findGeometry(torrent, kept, this.#ports, this.#abort.signal, learning);
    const { geometry } = known;
    const wanted = this.#wanted(geometry);
    const store = this.#inMemory ?? (await openStore({ torrent, geometry, wanted, hasher, storage, kept }));
    if ("kind" in store) return this.#become(store);
    if (!kept) this.#inMemory = store;
    const learned = known.pieces && (await putLearned(store.pieces, known.pieces));
    this.#run({ store, trackers: await this.#ports.trackersOf(torrent), learned });
  }

  #run({ store, trackers, learned }: ToRun): void {
    const { hasher, random, connect, post } = this.#ports;
    const { infoHash } = this.torrent;
    const readers = new ContentReaders((places) => post({ type: "places", infoHash, places }));
    const download = new Download({
      torrent: this.torrent,
      store: store.pieces,
      wanted: this.#wanted(store.pieces.geometry),
      learned,
      trackers,
      connect: (url, legacy) => connect({ url, legacy }, this.torrent, store.pieces.geometry),
      hasher,
      clock: browserClock,
      random,
      onHeld: (index) => readers.waits.onHeld(index),
      options: { maxInFlightPerPeer, snapshotMs: SNAPSHOT_MS },
    });
    const timeline = new KeptTimeline(this.#kept, this.#earlier ?? []);
    const unsubscribe = download.subscribe(() => this.#tellSnapshot(download, timeline));
    this.#running = { store, download, timeline, unsubscribe, readers };
    this.#become({ kind: "open" });
    download.start();
    if (this.#paused) download.pause();
    // A complete download closes its files, so that every thread can read them.
    void download.whenDone.then(() => store.pieces.close()).catch(() => undefined);
    this.#tellSnapshot(download, timeline);
  }

  async #takeLock(): Promise<void> {
    const name = `pieza ${this.torrent.infoHash}`;
    const keptNow = this.#ports.storage.kind === "disk" && (await KeptDownload.isKept(this.torrent.infoHash));
    this.#release ??= await tryLock(name);
    if (this.#release) return;
    this.#keptBefore ||= keptNow;
    this.#become({ kind: "elsewhere" });
    this.#release = await waitForLock(name, this.#abort.signal);
    this.#become({ kind: "opening" });
  }

  /**
   * Opens the folder of this download, with the lock. What another tab left there counts, not what this tab knew before
   * it waited. False if the other tab has removed the download.
   */
  async #openKept(): Promise<boolean> {
    const { torrent } = this;
    const removed = this.#keptBefore && !(await KeptDownload.isKept(torrent.infoHash));
    this.#abort.signal.throwIfAborted();
    if (removed) return false;
    const kept = await KeptDownload.create(torrent, this.name);
    if (this.#keptBefore) {
      this.#selected = checkedSelection(torrent, await kept.selected());
      this.#paused ||= await kept.isMarked("paused");
      this.#keptBefore = false;
    }
    this.#handedOver = await kept.isMarked("handed-over");
    await kept.setSelected(this.#selected);
    await kept.setMark("paused", this.#paused);
    this.#kept = kept;
    return true;
  }

  /** Ends what another tab has removed. */
  #vanish(): void {
    this.#abort.abort(new Error("removed in another tab"));
    this.#release?.();
    this.#release = undefined;
    this.#onGone();
    this.#ports.post({ type: "removed", infoHash: this.torrent.infoHash });
  }

  async #close(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    if (!running) return;
    running.unsubscribe();
    running.readers.waits.fail(new DOMException("the download was closed", "AbortError"));
    await running.download.stop();
    await running.store.pieces.close();
    this.#earlier = await running.timeline.close();
  }

  #becomeBroken(error: unknown): void {
    this.#become({ kind: "broken", reason: messageOf(error), trouble: troubleOf(error) });
  }

  #become(stage: Stage): void {
    this.#stage = stage;
    this.#tell();
  }

  #tell(): void {
    // A record after "removed" would bring the card back.
    if (this.#abort.signal.aborted) return;
    const record = {
      torrent: torrentSummary(this.torrent, this.name),
      stage: this.#stage,
      selected: this.#selected,
      wanted: this.#running && this.#wanted(this.#running.store.pieces.geometry)?.toBytes(),
      earlier: this.#earlier ?? [],
      handedOver: this.#handedOver,
    };
    this.#ports.post({ type: "record", record });
  }

  #tellSnapshot(download: Download, timeline: KeptTimeline): void {
    const snapshot = download.peek();
    timeline.add(snapshot);
    this.#ports.post({ type: "snapshot", infoHash: this.torrent.infoHash, snapshot });
  }
}

/**
 * The selection, sorted; undefined for all files. Throws InvalidField for no file and for indexes that the torrent
 * does not have.
 */
function checkedSelection(
  { files = [] }: Torrent,
  selected: readonly number[] | undefined,
): readonly number[] | undefined {
  if (!selected) return undefined;
  const sorted = [...new Set(selected)].sort((a, b) => a - b);
  if (sorted.length === 0 || sorted.some((index) => !files[index]))
    throw new InvalidField("selected", "expected some of the torrent's files");
  return sorted.length === files.length ? undefined : sorted;
}

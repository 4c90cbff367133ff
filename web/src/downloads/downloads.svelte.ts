import type { DownloadSnapshot } from "#core/download/snapshot.ts";
import type { TorrentSummary } from "#core/ports/catalog.ts";
import type { Engine, News } from "../base/engine.ts";
import type { NameOrInfoHash, StorageInfo, TabDownload } from "../base/messages.ts";
import { noNews } from "../base/no-news.ts";
import { Timeline } from "../base/timeline.ts";
import { failureOf } from "../base/trouble.ts";
import { RateHistory } from "../swarm/rate-history.ts";
import type { WatchedSwarm } from "../swarm/watched-swarm.svelte.ts";
import { keepTrackers, keptTrackers } from "./kept-trackers.ts";
import { LongHistory } from "./long-history.ts";
import { chooseFolder, chooseTarget, type Saved, saveFolder, saveTo } from "./save.ts";

/** One download as the page draws it: what the worker said last. */
export class ShownDownload {
  record: TabDownload = $state.raw()!;
  /** Undefined until the engine runs. */
  snapshot: DownloadSnapshot | undefined = $state.raw();
  /** Rates of the last minute, in all and by peer. */
  readonly rates = new RateHistory();
  /** Rates since the engine was started. */
  readonly history = new LongHistory();
  readonly timeline = new Timeline();

  constructor(record: TabDownload) {
    this.record = record;
  }

  take(snapshot: DownloadSnapshot): void {
    this.rates.add(snapshot);
    this.history.add(snapshot);
    this.timeline.add(snapshot);
    this.snapshot = snapshot;
  }
}

/** All downloads of this tab, newest first. Components read and call. */
export class Downloads {
  list: readonly ShownDownload[] = $state.raw([]);
  /** Undefined until the worker has said it. */
  storage: StorageInfo | undefined = $state.raw();
  /** Why there is no engine at all. */
  problem = $state("");
  /** What is watched now. */
  #watching: { readonly infoHash: string; readonly swarm: WatchedSwarm } | undefined;
  trackers: readonly string[] = $state.raw(keptTrackers());
  readonly engine: Engine;

  constructor(engine: Engine) {
    this.engine = engine;
    addEventListener("online", () => void engine.call("wake", undefined));
    engine.listen((news) => this.#onNews(news));
    engine.call("start", { trackers: this.trackers }).then(
      (storage) => {
        this.storage = storage;
      },
      (error: Error) => {
        this.problem = error.message;
      },
    );
  }

  find(key: NameOrInfoHash): ShownDownload | undefined {
    return this.list.find(({ record: { torrent } }) =>
      "name" in key ? torrent.name === key.name : torrent.infoHash === key.infoHash,
    );
  }

  /** A torrent from a file or a URL. Fails with CallFailed. */
  open(torrent: { text: string } | { url: string }): Promise<TorrentSummary> {
    return this.engine.call("open", torrent);
  }

  /** Keeps trackers to ask besides those that torrents and the catalog name. Fails with CallFailed. */
  async useTrackers(trackers: readonly string[]): Promise<void> {
    await this.engine.call("trackers", { trackers });
    this.trackers = trackers;
    keepTrackers(trackers);
  }

  /**
   * Watches a torrent's swarm until the result is called, or another is watched: a tab has one watch at a time.
   */
  watch(infoHash: string, swarm: WatchedSwarm): () => void {
    const watching = { infoHash, swarm };
    this.#watching = watching;
    this.engine.call("watch", { infoHash }).catch((error: Error) => {
      swarm.take({ ...noNews, infoHash, problem: failureOf(error) }, performance.now());
    });
    return () => {
      if (this.#watching !== watching) return;
      this.#watching = undefined;
      void this.engine.call("watch", { infoHash: undefined });
    };
  }

  /**
   * Starts a download. The browser is asked not to throw its storage away when it runs short; some ask the person then,
   * who may take long to answer, so nothing waits for it.
   */
  async add(key: NameOrInfoHash, selected?: readonly number[]): Promise<void> {
    navigator.storage?.persist?.().catch(() => false);
    await this.engine.call("add", { ...key, selected });
  }

  pause = (view: ShownDownload) => this.engine.call("pause", keyOf(view));
  resume = (view: ShownDownload) => this.engine.call("resume", keyOf(view));
  remove = (view: ShownDownload) => this.engine.call("remove", keyOf(view));

  /** Of a folder, wants these files from now on, by their indexes; undefined: all. */
  select(view: ShownDownload, selected: readonly number[] | undefined): Promise<undefined> {
    return this.engine.call("select", { ...keyOf(view), selected });
  }

  /**
   * Saves the finished file. Written by us, the copy kept here is freed at once; handed to the browser, it stays until
   * the person says that it is saved, or until the next start.
   */
  async save(view: ShownDownload, onProgress: (fraction: number) => void): Promise<Saved> {
    const { torrent } = view.record;
    const target = await chooseTarget(torrent.fileCount > 0 ? `${torrent.fileName}.zip` : torrent.fileName);
    if (!target) return "declined";
    const file = await this.engine.call("file", keyOf(view));
    const saved = await saveTo(target, file, (bytes) => onProgress(bytes / Math.max(1, file.blob.size)));
    await this.engine.call("handedOver", keyOf(view));
    return saved;
  }

  /** Writes the finished folder, file by file, into one that the person chooses. */
  async saveFolder(view: ShownDownload, onProgress: (fraction: number) => void): Promise<Saved> {
    const parent = await chooseFolder();
    if (!parent) return "declined";
    const files = await this.engine.call("folder", keyOf(view));
    const totalBytes = files.reduce((sum, { blob }) => sum + blob.size, 0);
    const name = view.record.torrent.fileName;
    await saveFolder(parent, name, files, (bytes) => onProgress(bytes / Math.max(1, totalBytes)));
    return "written";
  }

  /** Saves one file of a finished folder. */
  async saveFile(view: ShownDownload, index: number, path: string): Promise<void> {
    const target = await chooseTarget(path.split("/").at(-1)!);
    if (!target) return;
    await saveTo(target, await this.engine.call("file", { ...keyOf(view), index }), () => {});
  }

  #onNews(news: News): void {
    switch (news.type) {
      case "record": {
        const view = this.find({ infoHash: news.record.torrent.infoHash });
        if (view) view.record = news.record;
        else this.list = [new ShownDownload(news.record), ...this.list];
        break;
      }
      case "snapshot":
        this.find({ infoHash: news.infoHash })?.take(news.snapshot);
        break;
      case "swarm":
        if (this.#watching?.infoHash === news.news.infoHash) {
          this.#watching.swarm.take(news.news, performance.now());
        }
        break;
      case "removed":
        this.list = this.list.filter(({ record }) => record.torrent.infoHash !== news.infoHash);
        break;
    }
  }
}

function keyOf(view: ShownDownload): { infoHash: string } {
  return { infoHash: view.record.torrent.infoHash };
}

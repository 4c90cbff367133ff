import type { DownloadSnapshot } from "#core/download/snapshot.ts";
import type { TorrentSummary } from "#core/ports/catalog.ts";
import { MAX_TORRENT_JSON_BYTES } from "#core/torrent/torrent-json.ts";
import type { Engine, News } from "../base/engine.ts";
import type { NameOrInfoHash, StorageInfo, TabDownload } from "../base/messages.ts";
import { noNews } from "../base/no-news.ts";
import { Timeline } from "../base/timeline.ts";
import { failureOf } from "../base/trouble.ts";
import type { ContentService } from "../preview/content-service.ts";
import { RateHistory } from "../swarm/rate-history.ts";
import type { WatchedSwarm } from "../swarm/watched-swarm.svelte.ts";
import { keepTrackers, keptTrackers } from "./kept-trackers.ts";
import { LongHistory } from "./long-history.ts";
import { chooseFolder, chooseTarget, isOnWindows, type Saved, saveFolder, saveTo } from "./save.ts";

/** One download with the latest messages of the worker about it. */
export class ShownDownload {
  record: TabDownload = $state.raw()!;
  /** Undefined until the engine runs. */
  snapshot: DownloadSnapshot | undefined = $state.raw();
  /** Indexes of the pieces that players are at. */
  places: readonly number[] = $state.raw([]);
  /** Rates of the last minute, in total and by peer. */
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

/** The downloads of this tab, newest first, and the calls that components make. */
export class Downloads {
  list: readonly ShownDownload[] = $state.raw([]);
  /** Undefined until the worker has answered. */
  storage: StorageInfo | undefined = $state.raw();
  /** Why the worker could not be started; empty if it was. */
  problem = $state("");
  /** The swarm that is watched now. */
  #watching: { readonly infoHash: string; readonly swarm: WatchedSwarm } | undefined;
  trackers: readonly string[] = $state.raw(keptTrackers());
  readonly engine: Engine;
  /** Shows files while they are downloaded. */
  readonly content: ContentService;

  constructor(engine: Engine, content: ContentService) {
    this.engine = engine;
    this.content = content;
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

  /** Opens a torrent from the text of its JSON file or from a URL. Rejects with CallFailed. */
  open(torrent: { text: string } | { url: string }): Promise<TorrentSummary> {
    return this.engine.call("open", torrent);
  }

  /** Keeps trackers to ask besides those of torrents and the catalog. Rejects with CallFailed. */
  async useTrackers(trackers: readonly string[]): Promise<void> {
    await this.engine.call("trackers", { trackers });
    this.trackers = trackers;
    keepTrackers(trackers);
  }

  /**
   * Watches the swarm of a torrent until the returned function is called or another swarm is watched: each tab has
   * one watch.
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
   * Starts a download. It also asks the browser for persistent storage, and does not wait for the answer: some
   * browsers ask the person, who may take long.
   */
  async add(key: NameOrInfoHash, selected?: readonly number[]): Promise<void> {
    navigator.storage?.persist?.().catch(() => false);
    await this.engine.call("add", { ...key, selected });
  }

  pause = (view: ShownDownload) => this.engine.call("pause", keyOf(view));
  resume = (view: ShownDownload) => this.engine.call("resume", keyOf(view));
  remove = (view: ShownDownload) => this.engine.call("remove", keyOf(view));

  /** Selects the files of a folder by their indexes; undefined for all. */
  select(view: ShownDownload, selected: readonly number[] | undefined): Promise<undefined> {
    return this.engine.call("select", { ...keyOf(view), selected });
  }

  /**
   * Saves the finished file. If the browser saves it ("handed over"), the page never learns whether it did, so the copy
   * kept here stays until the person frees it.
   */
  async save(view: ShownDownload, onProgress: (fraction: number) => void): Promise<Saved> {
    const { torrent } = view.record;
    const target = await chooseTarget(torrent.fileCount > 0 ? `${torrent.fileName}.zip` : torrent.fileName);
    if (!target) return { how: "declined" };
    const file = await this.engine.call("file", { ...keyOf(view), forWindows: isOnWindows() });
    const how = await saveTo(target, file, (bytes) => onProgress(bytes / Math.max(1, file.blob.size)));
    if (how === "handed over") await this.engine.call("handedOver", keyOf(view));
    return { how, renamed: file.renamed };
  }

  /** Writes the files of a finished folder into a folder that the person chooses. */
  async saveFolder(view: ShownDownload, onProgress: (fraction: number) => void): Promise<Saved> {
    const parent = await chooseFolder();
    if (!parent) return { how: "declined" };
    const files = await this.engine.call("folder", keyOf(view));
    const totalBytes = files.reduce((sum, { blob }) => sum + blob.size, 0);
    const name = view.record.torrent.fileName;
    const renamed = await saveFolder(parent, name, files, (bytes) =>
      onProgress(bytes / Math.max(1, totalBytes)),
    );
    return { how: "written", renamed };
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
      case "places": {
        const view = this.find({ infoHash: news.infoHash });
        if (view) view.places = news.places;
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

/** What a component of one download gets. */
export interface DownloadProps {
  downloads: Downloads;
  view: ShownDownload;
}

/** Whether a file may be the JSON of a torrent, by its name and size. */
export function mayBeTorrent({ name, size }: File): boolean {
  return name.endsWith(".json") && size <= MAX_TORRENT_JSON_BYTES;
}

function keyOf(view: ShownDownload): { infoHash: string } {
  return { infoHash: view.record.torrent.infoHash };
}

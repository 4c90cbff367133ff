import { PiezaError } from "#core/base/errors.ts";
import { parseContentPath } from "#core/content/content-path.ts";
import { torrentSummary } from "#core/ports/torrent-summary.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import type { ContentAsk, ContentReply } from "../base/content-messages.ts";
import type { CallName, Calls, Handlers, NameOrInfoHash, StorageInfo } from "../base/messages.ts";
import { pageLinkOf } from "../base/page-link.ts";
import { PageFailure } from "../base/trouble.ts";
import { httpUrl, torrentFromFileOrUrl } from "./elsewhere.ts";
import { zipOfDownload } from "./exported.ts";
import type { HostPorts } from "./host-ports.ts";
import { HostedDownload, type HostedDownloadInput } from "./hosted-download.ts";
import { KeptDownload } from "./kept-downloads.ts";
import type { PublishingCalls } from "./publication-host.ts";
import { tryLock } from "./storage/tab-lock.ts";
import { SwarmWatch } from "./swarm-watch.ts";

type DownloadCalls = Exclude<CallName, PublishingCalls>;

/** The downloads of this tab, and the handlers of the page's calls about them. */
export class DownloadHost {
  readonly #ports: HostPorts;
  readonly #downloads = new Map<string, HostedDownload>();
  readonly #watch: SwarmWatch;
  #lastWatch = 0;
  /** Torrents that are not from the catalog, by info hash. */
  readonly #opened = new Map<string, Torrent>();

  readonly handlers: Handlers<DownloadCalls> = {
    start: ({ trackers }) => this.#start(trackers),
    trackers: async ({ trackers }) => this.#useTrackers(trackers),
    list: ({ search, pageToken }) => this.#ports.catalog.list({ search, pageToken, pageSize: 50 }),
    look: async (key) => {
      const { name, torrent } = await this.#find(key);
      return torrentSummary(torrent, name);
    },
    open: async (from) => {
      const torrent = await torrentFromFileOrUrl(from, this.#ports);
      this.#opened.set(torrent.infoHash, torrent);
      return torrentSummary(torrent, torrent.fileName);
    },
    files: async (key) => (await this.#find(key)).torrent.files ?? [],
    add: ({ selected, ...key }) => this.#add(key, selected),
    select: async ({ infoHash, selected }) => void (await this.#get(infoHash).select(selected)),
    pause: async ({ infoHash }) => void (await this.#get(infoHash).pause()),
    resume: async ({ infoHash }) => void (await this.#get(infoHash).resume()),
    remove: ({ infoHash }) => this.#remove(infoHash),
    file: async ({ infoHash, index, forWindows = false }) => {
      const download = this.#get(infoHash);
      return index === undefined && download.torrent.files
        ? zipOfDownload(download.torrent.fileName, await download.files(), forWindows)
        : download.file(index);
    },
    folder: async ({ infoHash }) => this.#get(infoHash).files(),
    wake: async () => {
      for (const download of this.#downloads.values()) download.wake();
    },
    watch: async ({ infoHash }) => {
      const asked = ++this.#lastWatch;
      const found = infoHash === undefined ? undefined : await this.#find({ infoHash });
      if (asked === this.#lastWatch) this.#watch.set(found?.torrent);
    },
    handedOver: async ({ infoHash }) => void (await this.#get(infoHash).handOver()),
  };

  constructor(ports: HostPorts) {
    this.#ports = ports;
    this.#watch = new SwarmWatch(ports);
  }

  /** Answers a request for a content URL. Undefined if no running download of this tab has the file. */
  content(ask: ContentAsk): ContentReply | undefined {
    const path = parseContentPath(ask.path);
    if (!path || path === "malformed" || path.isList) return undefined;
    return this.#downloads.get(path.infoHash)?.content(path.names, ask);
  }

  /** Reopens the kept downloads in the background. */
  async #start(trackers: readonly string[]): Promise<StorageInfo> {
    this.#useTrackers(trackers);
    if (this.#ports.storage.kind === "disk") {
      for (const kept of await KeptDownload.list()) await this.#takeUp(kept);
    }
    return this.#ports.storage;
  }

  async #takeUp(kept: KeptDownload): Promise<void> {
    try {
      this.#open({ ...(await kept.load(this.#ports.hasher)), kept: true });
    } catch {
      // The tab ended before it had stored the torrent, so the folder holds no piece.
      await clearAway(kept);
    }
  }

  async #add(key: NameOrInfoHash, selected?: readonly number[]): Promise<Calls["add"]["answer"]> {
    const { name, torrent } = await this.#find(key);
    if (!this.#downloads.has(torrent.infoHash)) this.#open({ torrent, name, selected, kept: false });
    return torrentSummary(torrent, name);
  }

  #open(input: Omit<HostedDownloadInput, "ports" | "onGone">): void {
    const { infoHash } = input.torrent;
    const onGone = () => this.#downloads.delete(infoHash);
    const download = new HostedDownload({ ...input, ports: this.#ports, onGone });
    this.#downloads.set(infoHash, download);
    void download.open();
  }

  async #find(key: NameOrInfoHash): Promise<{ name: string; torrent: Torrent }> {
    if (!("infoHash" in key)) return this.#ports.catalog.get(key);
    const download = this.#downloads.get(key.infoHash);
    if (download) return download;
    const torrent = this.#opened.get(key.infoHash);
    return torrent ? { name: torrent.fileName, torrent } : this.#ports.catalog.get(key);
  }

  #useTrackers(trackers: readonly string[]): undefined {
    this.#ports.useTrackers(trackers.map(trackerUrl));
  }

  async #remove(infoHash: string): Promise<undefined> {
    const download = this.#get(infoHash);
    this.#downloads.delete(infoHash);
    await download.remove();
  }

  #get(infoHash: string): HostedDownload {
    const download = this.#downloads.get(infoHash);
    if (!download) throw new PiezaError("not_found", "no such download");
    return download;
  }
}

/** The URL of a tracker. Throws invalid_argument for a link to a torrent and for what is no URL. */
function trackerUrl(text: string): string {
  if (pageLinkOf(text))
    throw new PageFailure("bad_url", "invalid_argument", "expected the URL of a tracker, not of a torrent");
  return httpUrl(text).origin;
}

/** Deletes a kept download unless another tab has its lock. */
async function clearAway(kept: KeptDownload): Promise<void> {
  const release = await tryLock(`pieza ${kept.infoHash}`);
  if (!release) return;
  await kept.remove().finally(release);
}

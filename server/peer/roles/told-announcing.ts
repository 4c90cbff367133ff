import type { AnnouncedTorrent } from "#core/ports/tracker.ts";
import type { Announces, ServingAddress } from "../announcing/announcing.ts";
import { encodeTorrent, roleFiles, servedInfoHashes } from "./role-files.ts";
import { HeardFile, Polling, ToldFile } from "./told-file.ts";

/** By this poll all torrents have been added. Files of other torrents are from an earlier run. */
const SETTLED_POLLS = 40;

/** Writes what a serving process holds to files for the announcing process. Either may stop and come back. */
export class ToldAnnouncing implements Announces {
  /** The keys of the announcing process, new at each of its starts. Updated in place. */
  readonly identifyKeys: Uint8Array[] = [];
  readonly #files: ReturnType<typeof roleFiles>;
  readonly #torrents = new Map<string, ToldFile<object>>();
  readonly #keys: HeardFile<{ readonly keys: readonly string[] }>;
  readonly #polling: Polling;
  readonly #onError: (error: unknown) => void;
  #telling: Promise<unknown> = Promise.resolve();
  #polls = 0;

  /** `folder` is the peer's. `onError` is called when a file cannot be read or written. */
  constructor(folder: string, onError: (error: unknown) => void) {
    this.#files = roleFiles(folder);
    this.#onError = onError;
    this.#keys = new HeardFile(this.#files.identifyKeys);
    this.#polling = new Polling(() => this.#poll(), onError);
  }

  start(address: ServingAddress): void {
    this.#also(() => new ToldFile(this.#files.serving).tell(address));
    void this.#polling.start();
  }

  update(torrent: AnnouncedTorrent): void {
    const file =
      this.#torrents.get(torrent.infoHash) ?? new ToldFile(this.#files.servedTorrent(torrent.infoHash));
    this.#torrents.set(torrent.infoHash, file);
    this.#also(() => file.tell(encodeTorrent(torrent)));
  }

  completed(): void {}

  leave(infoHash: string): void {
    const file = this.#torrents.get(infoHash);
    this.#torrents.delete(infoHash);
    if (file) this.#also(() => file.forget());
  }

  report(): void {}

  isOwn(): boolean {
    return false;
  }

  async handedOver(): Promise<void> {}
  async drain(): Promise<void> {}

  async stop(): Promise<void> {
    await this.#polling.stop();
    await this.#telling;
  }

  async #poll(): Promise<void> {
    if (++this.#polls === SETTLED_POLLS) await this.#forgetOthers();
    const news = await this.#keys.news();
    if (!news) return;
    const keys = news.keys.map((key) => Buffer.from(key, "hex"));
    this.identifyKeys.splice(0, this.identifyKeys.length, ...keys);
  }

  /** Removes the files of torrents that only an earlier run served. */
  async #forgetOthers(): Promise<void> {
    for (const infoHash of await servedInfoHashes(this.#files.served)) {
      if (!this.#torrents.has(infoHash)) await new ToldFile(this.#files.servedTorrent(infoHash)).forget();
    }
  }

  #also(step: () => Promise<void>): void {
    this.#telling = Promise.all([this.#telling, step().catch(this.#onError)]);
  }
}

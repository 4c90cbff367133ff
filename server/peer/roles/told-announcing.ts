import { readdir } from "node:fs/promises";
import type { AnnouncedTorrent } from "#core/ports/tracker.ts";
import { nodeClock } from "../../base/node-clock.ts";
import type { Announces, PeerAddress } from "../announcing/announcing.ts";
import { heard, roleFiles, tellTorrent, told } from "./role-files.ts";
import { HeardFile, Looking, ToldFile } from "./told-file.ts";

/** Polls after which all torrents have been added: files of other torrents are left from an earlier run. */
const SETTLED_LOOKS = 40;

/**
 * Writes what a serving process holds to files for the announcing process. Either process may stop and come back; the
 * files stay.
 */
export class ToldAnnouncing implements Announces {
  /** The keys of the announcing process, new at each of its starts. Updated in place. */
  readonly identifyKeys: Uint8Array[] = [];
  readonly #files: ReturnType<typeof roleFiles>;
  readonly #torrents = new Map<string, ToldFile<object>>();
  readonly #keys: HeardFile<{ readonly keys: readonly string[] }>;
  readonly #looking: Looking;
  readonly #onError: (error: unknown) => void;
  #telling: Promise<unknown> = Promise.resolve();
  #looks = 0;

  /** `folder` is the peer's. `onError` is called when a file cannot be read or written. */
  constructor(folder: string, onError: (error: unknown) => void) {
    this.#files = roleFiles(folder);
    this.#onError = onError;
    this.#keys = new HeardFile(this.#files.identifyKeys, heard<{ readonly keys: readonly string[] }>);
    this.#looking = new Looking(nodeClock, () => this.#look(), onError);
  }

  start(address: PeerAddress): void {
    this.#also(() => new ToldFile(this.#files.serving).tell(told(address)));
    void this.#looking.start();
  }

  update(torrent: AnnouncedTorrent): void {
    const file =
      this.#torrents.get(torrent.infoHash) ?? new ToldFile(this.#files.servedTorrent(torrent.infoHash));
    this.#torrents.set(torrent.infoHash, file);
    this.#also(() => file.tell(tellTorrent(torrent)));
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
    await this.#looking.stop();
    await this.#telling;
  }

  async #look(): Promise<void> {
    if (++this.#looks === SETTLED_LOOKS) await this.#forgetOthers();
    const news = await this.#keys.news();
    if (!news || news === "gone") return;
    const keys = news.value.keys.map((key) => Buffer.from(key, "hex"));
    this.identifyKeys.splice(0, this.identifyKeys.length, ...keys);
  }

  /** Removes the files of torrents that only an earlier run served. */
  async #forgetOthers(): Promise<void> {
    const names = await readdir(this.#files.served).catch(() => []);
    const kept = new Set([...this.#torrents.keys()].map((infoHash) => `${infoHash}.json`));
    for (const name of names.filter((name) => /^[0-9a-f]{64}\.json$/.test(name) && !kept.has(name))) {
      await new ToldFile(this.#files.servedTorrent(name.slice(0, 64))).forget();
    }
  }

  #also(step: () => Promise<void>): void {
    this.#telling = Promise.all([this.#telling, step().catch(this.#onError)]);
  }
}

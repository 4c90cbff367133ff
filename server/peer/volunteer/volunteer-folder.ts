import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { messageOf, PiezaError } from "#core/base/errors.ts";
import { isSha256Hex } from "#core/base/hash.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import type { Log } from "../../http/base/log.ts";
import { StoredTorrent } from "../serving/stored-torrent.ts";
import { nodeDisk } from "../stores/disk.ts";

/** Each torrent has open files. */
const MAX_TORRENTS = 1_000;

export interface VolunteerFolderOptions {
  /** Path, created if missing. Holds a folder for each torrent. */
  readonly folder: string;
  /** Bytes of all copies together. */
  readonly capacityBytes: number;
  readonly log?: Log | undefined;
  /** Wall-clock milliseconds, because the age of a copy outlives the process. Default Date.now. */
  readonly wallNow?: (() => number) | undefined;
}

/** The folders of the torrents that a volunteer keeps copies of, and the space that they take. */
export class VolunteerFolder {
  readonly #options: VolunteerFolderOptions;
  readonly #wallNow: () => number;
  readonly #torrents = new Map<string, StoredTorrent>();
  /** By info hash: folders that are being deleted. */
  readonly #leaving = new Map<string, Promise<void>>();

  constructor(options: VolunteerFolderOptions) {
    this.#options = options;
    this.#wallNow = options.wallNow ?? Date.now;
  }

  /** Opens the copies of earlier runs. A folder that cannot be opened is logged and left alone. */
  async open(): Promise<StoredTorrent[]> {
    const { folder } = this.#options;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    for (const infoHash of (await readdir(folder)).filter(isSha256Hex)) await this.#open(infoHash);
    return [...this.#torrents.values()];
  }

  get(infoHash: string): StoredTorrent | undefined {
    return this.#torrents.get(infoHash);
  }

  [Symbol.iterator](): Iterator<StoredTorrent> {
    return this.#torrents.values();
  }

  get usedBytes(): number {
    let bytes = 0;
    for (const stored of this.#torrents.values()) bytes += stored.heldBytes;
    return bytes;
  }

  /** Bytes that further orders may take, of the capacity and on the disk, after `promisedBytes`. */
  freeBytes(promisedBytes: number): number {
    const lentBytes = this.#options.capacityBytes - this.usedBytes;
    return Math.max(0, Math.min(lentBytes, nodeDisk.freeBytes(this.#options.folder)) - promisedBytes);
  }

  /** Adds a torrent. Fails as StoredTorrent.begin does, and with resource_exhausted at the limit of torrents. */
  async begin(torrent: Torrent): Promise<StoredTorrent> {
    const { infoHash } = torrent;
    await this.#leaving.get(infoHash);
    if (this.#torrents.size >= MAX_TORRENTS)
      throw new PiezaError("resource_exhausted", "this peer keeps no more torrents");
    const stored = await StoredTorrent.begin(this.#pathOf(infoHash), torrent, this.#wallNow());
    this.#torrents.set(infoHash, stored);
    return stored;
  }

  /** Opens a torrent again after its disk has failed. Undefined if that fails too. */
  async reopen(infoHash: string): Promise<StoredTorrent | undefined> {
    const stored = this.#torrents.get(infoHash);
    this.#torrents.delete(infoHash);
    await stored?.close().catch(() => {});
    return this.#open(infoHash);
  }

  /** Removes the torrent at once and deletes its files in the background. */
  drop(infoHash: string): void {
    const stored = this.#torrents.get(infoHash);
    if (!stored) return;
    this.#torrents.delete(infoHash);
    const leaving = stored
      .remove()
      .catch((error: unknown) => this.#warn(infoHash, `cannot be deleted: ${messageOf(error)}`))
      .finally(() => this.#leaving.delete(infoHash));
    this.#leaving.set(infoHash, leaving);
  }

  /** Records that the copy was used now. */
  touch(stored: StoredTorrent): void {
    // The age only orders evictions, so a failure to write it is ignored.
    stored.touch(this.#wallNow()).catch(() => {});
  }

  /** Closes everything; the copies stay for the next run. */
  async close(): Promise<void> {
    await Promise.all(this.#leaving.values());
    for (const stored of this.#torrents.values()) {
      await stored.close().catch((error: unknown) => {
        this.#warn(stored.torrent.infoHash, `was not closed well: ${messageOf(error)}`);
      });
    }
  }

  async #open(infoHash: string): Promise<StoredTorrent | undefined> {
    try {
      const stored = await StoredTorrent.open(this.#pathOf(infoHash));
      this.#torrents.set(infoHash, stored);
      return stored;
    } catch (error) {
      this.#warn(infoHash, `cannot be served: ${messageOf(error)}`);
      return undefined;
    }
  }

  #warn(infoHash: string, what: string): void {
    const message = `the copy of ${infoHash} ${what}`;
    this.#options.log?.({ level: "warn", event: "copy_lost", message, info_hash: infoHash });
  }

  #pathOf(infoHash: string): string {
    return join(this.#options.folder, infoHash);
  }
}

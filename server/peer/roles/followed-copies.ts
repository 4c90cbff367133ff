import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { isSha256Hex } from "#core/base/hash.ts";
import { geometryOf } from "#core/torrent/torrent.ts";
import { readTorrentText } from "../../base/long-torrents.ts";
import { nodeHasher } from "../../base/node-hasher.ts";
import type { CopyKeeper, CopyServing } from "../announcing/copy-keeper.ts";
import { contentOf, torrentFileOf } from "../serving/stored-torrent.ts";
import { FollowedStore } from "../stores/followed-store.ts";
import { Polling } from "./told-file.ts";

/** Serves the copies that another process of this peer keeps, and follows their changes. */
export class FollowedCopies implements CopyKeeper {
  readonly #folder: string;
  readonly #onError: (error: unknown) => void;
  readonly #stores = new Map<string, FollowedStore>();
  readonly #polling: Polling;
  #serving: CopyServing | undefined;

  /** `folder` holds a folder of copies for each torrent, which another process writes. */
  constructor(folder: string, onError: (error: unknown) => void) {
    this.#folder = folder;
    this.#onError = onError;
    this.#polling = new Polling(() => this.#poll(), onError);
  }

  /** Resolves when the copies that are there now are served. */
  start(serving: CopyServing): Promise<void> {
    this.#serving = serving;
    return this.#polling.start();
  }

  leave(): void {}

  async stop(): Promise<void> {
    await this.#polling.stop();
    for (const store of this.#stores.values()) await store.close();
  }

  async #poll(): Promise<void> {
    const serving = this.#serving!;
    const names = new Set((await readdir(this.#folder).catch(() => [])).filter(isSha256Hex));
    for (const [infoHash, store] of this.#stores) {
      if (names.has(infoHash)) {
        if (await store.follow()) serving.changed(infoHash);
        continue;
      }
      this.#stores.delete(infoHash);
      serving.removeCopies(infoHash);
      await store.close();
    }
    for (const infoHash of names) {
      if (!this.#stores.has(infoHash)) await this.#open(infoHash).catch(this.#onError);
    }
  }

  /** A folder that is still being created is opened at the next poll. */
  async #open(infoHash: string): Promise<void> {
    const folder = join(this.#folder, infoHash);
    const text = await readFile(torrentFileOf(folder), "utf8").catch(() => undefined);
    if (text === undefined) return;
    const torrent = await readTorrentText(text);
    const geometry = geometryOf(torrent)!;
    const store = new FollowedStore({ torrent, geometry, target: contentOf(folder), hasher: nodeHasher });
    await store.follow();
    this.#stores.set(infoHash, store);
    this.#serving!.addCopies(torrent, store);
  }
}

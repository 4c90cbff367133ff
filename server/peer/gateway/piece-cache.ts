import { lstat, lutimes, mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { LRUCache } from "lru-cache";
import { messageOf } from "#core/base/errors.ts";
import { isSha256Hex } from "#core/base/hash.ts";
import type { PieceIndex } from "#core/torrent/piece.ts";
import { geometryOf, type Torrent } from "#core/torrent/torrent.ts";
import { readTorrentText, writeTorrentBytes } from "../../base/long-torrents.ts";
import { replaceFile } from "../../base/replace-file.ts";
import type { Log } from "../../http/base/log.ts";
import { BufferPool } from "../transports/buffer-pool.ts";
import { CachedPieces } from "./cached-pieces.ts";

const TORRENT_FILE = "torrent.json";
/** Precision of the time at which a piece was last used, on disk. */
const TOUCH_MS = 60_000;
/** Bytes of idle buffers for pieces that arrive. */
const MAX_IDLE_BUFFER_BYTES = 16 << 20;

export interface PieceCacheOptions {
  /** Path, created if missing: a folder for each torrent, and in it a file for each piece. */
  readonly folder: string;
  /** Bytes of all pieces together. */
  readonly capacityBytes: number;
  readonly onHeld: (infoHash: string, index: PieceIndex) => void;
  /** Called when a piece has been evicted, or has turned out to be damaged. */
  readonly onLost: (infoHash: string, index: PieceIndex) => void;
  readonly log?: Log | undefined;
}

/** Pieces of many torrents within a bound of bytes. The piece that was used longest ago leaves first. */
export class PieceCache {
  readonly #options: PieceCacheOptions;
  readonly #torrents = new Map<string, CachedPieces>();
  /** Resolves when the last change of a folder in the queue has ended. */
  #queue: Promise<unknown> = Promise.resolve();
  readonly #buffers = new BufferPool(MAX_IDLE_BUFFER_BYTES);
  /** By "<info hash>/<index>": the time of the last touch on disk. */
  readonly #used: LRUCache<string, { bytes: number; touchedMs: number }>;

  constructor(options: PieceCacheOptions) {
    this.#options = options;
    this.#used = new LRUCache({
      maxSize: options.capacityBytes,
      // A size has to be positive; the only piece of an empty file has no bytes.
      sizeCalculation: ({ bytes }) => Math.max(1, bytes),
      dispose: (_, key, reason) => {
        if (reason === "evict") this.#evict(key);
      },
    });
  }

  /** Bytes of the pieces that are held. */
  get usedBytes(): number {
    return this.#used.calculatedSize;
  }

  /** Opens the pieces of earlier runs. A torrent's folder that cannot be read is removed. */
  async open(): Promise<CachedPieces[]> {
    const { folder, log } = this.#options;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const found: { key: string; bytes: number; touchedMs: number }[] = [];
    for (const infoHash of (await readdir(folder)).filter(isSha256Hex)) {
      try {
        found.push(...(await this.#openTorrent(infoHash)));
      } catch (error) {
        const message = `the cached pieces of ${infoHash} are lost: ${messageOf(error)}`;
        log?.({ level: "warn", event: "cache_lost", message, info_hash: infoHash });
        this.#torrents.delete(infoHash);
        await rm(join(folder, infoHash), { recursive: true, force: true });
      }
    }
    found.sort((a, b) => a.touchedMs - b.touchedMs);
    for (const { key, ...use } of found) this.#used.set(key, use);
    return [...this.#torrents.values()];
  }

  /** The store of a torrent whose lengths are known. Fails with the system's error if its folder cannot be made. */
  add(torrent: Torrent): Promise<CachedPieces> {
    return this.#alone(async () => {
      const there = this.#torrents.get(torrent.infoHash);
      if (there) return there;
      const folder = join(this.#options.folder, torrent.infoHash);
      await replaceFile(join(folder, TORRENT_FILE), await writeTorrentBytes(torrent));
      return this.#make(torrent);
    });
  }

  /** Removes the folder of a torrent of which nothing is held. The caller has no use for its store any more. */
  drop(infoHash: string): Promise<void> {
    return this.#alone(async () => {
      const pieces = this.#torrents.get(infoHash);
      if (!pieces || pieces.held.count > 0) return;
      this.#torrents.delete(infoHash);
      await rm(pieces.folder, { recursive: true, force: true }).catch((error: unknown) => {
        // The next start of this gateway opens the folder, or removes it.
        const message = `the folder of ${infoHash} in the cache cannot be removed: ${messageOf(error)}`;
        this.#options.log?.({ level: "warn", event: "cache_folder_left", message, info_hash: infoHash });
      });
    });
  }

  /** Makes and removes folders one after the other, so that no folder is removed while a torrent gets it again. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(work);
    this.#queue = turn.catch(() => {});
    return turn;
  }

  #make(torrent: Torrent): CachedPieces {
    const { infoHash } = torrent;
    const pieces = new CachedPieces({
      torrent,
      geometry: geometryOf(torrent)!,
      folder: join(this.#options.folder, infoHash),
      buffers: this.#buffers,
      onHeld: (index, bytes) => {
        this.#used.set(`${infoHash}/${index}`, { bytes, touchedMs: Date.now() });
        this.#options.onHeld(infoHash, index);
      },
      makeRoom: (bytes) => this.#makeRoom(bytes),
      onRead: (index) => this.#touch(infoHash, index),
      onLost: (index) => {
        this.#used.delete(`${infoHash}/${index}`);
        this.#options.onLost(infoHash, index);
      },
    });
    this.#torrents.set(infoHash, pieces);
    return pieces;
  }

  async #openTorrent(infoHash: string) {
    const folder = join(this.#options.folder, infoHash);
    if (!(await lstat(folder)).isDirectory()) throw new Error("it is no folder");
    const torrent = await readTorrentText(await readFile(join(folder, TORRENT_FILE), "utf8"));
    if (torrent.infoHash !== infoHash) throw new Error("its torrent is of another info hash");
    const pieces = this.#make(torrent);
    const found: { key: string; bytes: number; touchedMs: number }[] = [];
    for (const name of await readdir(folder)) {
      if (name === TORRENT_FILE) continue;
      const path = join(folder, name);
      const facts = await lstat(path);
      const { size, mtimeMs } = facts;
      if (facts.isFile() && pieces.find(name, size))
        found.push({ key: `${infoHash}/${name}`, bytes: size, touchedMs: mtimeMs });
      else await rm(path, { recursive: true, force: true });
    }
    return found;
  }

  /** Evicts the pieces that were used longest ago, twice the bytes that are needed. */
  #makeRoom(bytes: number): boolean {
    const before = this.usedBytes;
    while (this.#used.size > 0 && before - this.usedBytes < 2 * bytes) this.#used.pop();
    return this.usedBytes < before;
  }

  #evict(key: string): void {
    const [infoHash, index] = key.split("/");
    this.#torrents.get(infoHash!)?.evict(Number(index) as PieceIndex);
  }

  #touch(infoHash: string, index: PieceIndex): void {
    const use = this.#used.get(`${infoHash}/${index}`);
    const now = Date.now();
    if (!use || now - use.touchedMs < TOUCH_MS) return;
    use.touchedMs = now;
    // The time only orders evictions after a restart, so a failure to write it is ignored.
    const path = join(this.#options.folder, infoHash, String(index));
    lutimes(path, now / 1000, now / 1000).catch(() => {});
  }
}

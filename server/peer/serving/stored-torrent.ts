import { readFile, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { InvalidField, PiezaError } from "#core/base/errors.ts";
import { sha256 } from "#core/base/hash.ts";
import type { PieceIndex } from "#core/torrent/piece.ts";
import { geometryOf, type Torrent } from "#core/torrent/torrent.ts";
import { readTorrentText, writeTorrentBytes } from "../../base/long-torrents.ts";
import { nodeHasher } from "../../base/node-hasher.ts";
import { replaceFile } from "../../base/replace-file.ts";
import { FilePieceStore } from "../stores/file-piece-store.ts";

const TORRENT_FILE = "torrent.json";
/**
 * The target of the piece store, which is never finished and so never gets this name. The store's journal beside it
 * makes hashing at every start unnecessary.
 */
const TARGET = "content";
/** Precision of the time of the last piece on disk. */
const TOUCH_MS = 60_000;

/** Path of the torrent's JSON in a stored torrent's folder. */
export function torrentFileOf(folder: string): string {
  return join(folder, TORRENT_FILE);
}

/** Target path of the piece store in a stored torrent's folder. */
export function contentOf(folder: string): string {
  return join(folder, TARGET);
}

/**
 * A torrent whose pieces others store here: a folder with a piece store and the torrent's JSON, whose modification
 * time is that of the last piece. No disk space is reserved: storing fails when the disk is full.
 */
export class StoredTorrent {
  readonly torrent: Torrent;
  readonly store: FilePieceStore;
  readonly #folder: string;
  #touchedMs: number;

  private constructor(folder: string, torrent: Torrent, store: FilePieceStore, touchedMs: number) {
    this.#folder = folder;
    this.torrent = torrent;
    this.store = store;
    this.#touchedMs = touchedMs;
  }

  /** Makes the folder. Fails with failed_precondition for a torrent without lengths, and with StoreFailed. */
  static async begin(folder: string, torrent: Torrent, nowMs: number): Promise<StoredTorrent> {
    if (!torrent.lengths)
      throw new PiezaError("failed_precondition", "this torrent does not say its lengths");
    const path = torrentFileOf(folder);
    await replaceFile(path, await writeTorrentBytes(torrent));
    await utimes(path, nowMs / 1000, nowMs / 1000);
    return StoredTorrent.open(folder);
  }

  /** Opens a folder that `begin` made. Fails with InvalidField, StoreFailed or errors of the file system. */
  static async open(folder: string): Promise<StoredTorrent> {
    const path = torrentFileOf(folder);
    const torrent = await readTorrentText(await readFile(path, "utf8"));
    const store = await FilePieceStore.open({
      torrent,
      geometry: geometryOf(torrent)!,
      target: contentOf(folder),
      neededBytes: 0,
      hasher: nodeHasher,
    });
    return new StoredTorrent(folder, torrent, store, (await stat(path)).mtimeMs);
  }

  /** Wall-clock milliseconds of the last piece, or of `begin` before the first. */
  get touchedMs(): number {
    return this.#touchedMs;
  }

  get heldBytes(): number {
    return this.store.geometry.bytesOf(this.store.held);
  }

  /** Fails with InvalidField unless `data` is the piece. */
  async check(index: PieceIndex, data: Uint8Array): Promise<void> {
    const length = this.store.geometry.lengthOf(index);
    if (data.length !== length)
      throw new InvalidField("data", `has ${data.length} bytes, the piece ${length}`);
    if ((await sha256(nodeHasher, data)) !== this.torrent.pieces[index])
      throw new InvalidField("data", `is not piece ${index + 1} of this torrent`);
  }

  /** Stores a piece that `check` has let pass. */
  async put(index: PieceIndex, data: Uint8Array, nowMs: number): Promise<void> {
    this.store.write(index, 0, data);
    await this.store.commit(index);
    await this.touch(nowMs);
  }

  /** Sets the time of the last piece, unless it is less than TOUCH_MS ago. */
  async touch(nowMs: number): Promise<void> {
    if (nowMs - this.#touchedMs < TOUCH_MS) return;
    this.#touchedMs = nowMs;
    await utimes(torrentFileOf(this.#folder), nowMs / 1000, nowMs / 1000);
  }

  close(): Promise<void> {
    return this.store.close();
  }

  /** Closes the store and deletes the folder. */
  async remove(): Promise<void> {
    await this.store.close().catch(() => {});
    await rm(this.#folder, { recursive: true, force: true });
  }
}
